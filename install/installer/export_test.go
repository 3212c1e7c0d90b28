package installer

import (
	"context"
	"io"

	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backup"
)

// BackupFiles returns the signing keys and the values for a backup.
func (in *Installer) BackupFiles(ctx context.Context) ([]backup.File, error) {
	return in.backupFiles(ctx)
}

// RestoreThrough restores a backup with a pod that c reaches.
func (in *Installer) RestoreThrough(ctx context.Context, c *client.Client, from io.Reader) (backup.Summary, error) {
	s, _, err := in.restoreThrough(ctx, &backupPod{in: in, name: "backup", client: c}, from)
	return s, err
}
