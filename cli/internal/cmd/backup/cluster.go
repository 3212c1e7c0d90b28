package backup

import (
	"context"
	"io"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/backup"
)

// openCluster returns an unencrypted backup of the installation.
func (p *Target) openCluster(ctx context.Context) (io.ReadCloser, error) {
	in, err := p.Cluster.Installer(nil)
	if err != nil {
		return nil, err
	}
	return in.OpenBackup(ctx)
}

// restoreCluster restores a backup into the installation.
func (p *Target) restoreCluster(ctx context.Context, streams *term.IOStreams, from io.Reader) (backup.Summary, error) {
	display := cluster.NewRolloutDisplay(streams, false)
	defer display.Close()
	in, err := p.Cluster.Installer(display.Show)
	if err != nil {
		return backup.Summary{}, err
	}
	return in.RestoreBackup(ctx, from, cluster.DefaultTimeout)
}
