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
		"quota", "max-upload", "registration",
		"smtp-addr", "smtp-security", "smtp-user", "smtp-password-file", "smtp-from",
	}
}
