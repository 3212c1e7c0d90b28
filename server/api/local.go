package api

// InstanceFile is the name of the file in the data directory of a local server by which
// other processes find it while it runs; a crash leaves it behind.
const InstanceFile = "sxd.json"

// LocalSettingsFile is the name of the file in the data directory of a local server
// with the settings that sx up remembers: a JSON object of the names of sxd's flags
// and their values as text. A flag or a variable takes precedence.
const LocalSettingsFile = "settings.json"

// LocalSettings returns the names of the flags that may be in LocalSettingsFile.
func LocalSettings() []string {
	return []string{
		"quota", "max-upload", "reserve", "max-open-uploads", "jobs-per-day", "retention-videos", "retention-failed", "retention-tracks", "registration",
		"smtp-addr", "smtp-security", "smtp-user", "smtp-password-file", "smtp-from",
	}
}

// SMTPPasswordFile is the name of the file in the data directory of a local server with
// the password for its mail server, if sx up was given one.
const SMTPPasswordFile = "smtp-password"

// PathBackup is where the program for backups in a cluster serves a backup and accepts one
// to restore; PathBackupEmpty says whether the store is empty. Both are reached only by a
// port-forward.
const (
	PathBackup      = "/backup"
	PathBackupEmpty = "/backup/empty"
	// BackupPort is its port, on the loopback address.
	BackupPort = 8747
)

// PathLocalBackup is the path at which a local server serves its backup, to programs on
// its machine that send the Backup of its instance file as a bearer token.
const PathLocalBackup = "/local/backup"
