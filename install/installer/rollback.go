package installer

import (
	"context"
	"fmt"
	"time"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// Rollback rolls back to an earlier revision; 0 selects the newest earlier one
// that was deployed. With wait, it waits until the workloads are ready.
func (in *Installer) Rollback(ctx context.Context, revision int, wait bool, timeout time.Duration) (release.Info, error) {
	history, err := in.Runner.History(ctx)
	if err != nil {
		return release.Info{}, err
	}
	to, err := in.findRevision(history, revision)
	if err != nil {
		return release.Info{}, err
	}
	if err := in.checkVolumes(ctx, to.Manifest); err != nil {
		return release.Info{}, err
	}
	var info release.Info
	err = in.operation(ctx, func(ctx context.Context) error {
		err := in.step(fmt.Sprintf("roll back to revision %d", to.Revision), func() (string, error) {
			var err error
			info, err = in.Runner.Rollback(ctx, to.Revision)
			return fmt.Sprintf("now revision %d", info.Revision), err
		})
		if err != nil || !wait {
			return err
		}
		return in.ready(ctx, timeout)
	})
	return info, err
}

// findRevision returns the revision to roll back to. The history is sorted newest first.
func (in *Installer) findRevision(history []release.Info, revision int) (release.Info, error) {
	if len(history) == 0 {
		return release.Info{}, in.NotInstalled()
	}
	for _, r := range history[1:] {
		if r.Revision == revision || revision == 0 && r.Status == release.Superseded {
			return r, nil
		}
	}
	switch revision {
	case history[0].Revision:
		return release.Info{}, sx.NewError(sx.CodeInvalid, "revision %d is already the current one", revision).WithHint("list the revisions with: %s", in.Cluster.SX(in.Release, "history"))
	case 0:
		return release.Info{}, sx.NewError(sx.CodeNotFound, "no earlier revision was deployed").WithHint("list the revisions with: %s", in.Cluster.SX(in.Release, "history"))
	}
	return release.Info{}, sx.NewError(sx.CodeNotFound, "revision %d not found", revision).WithHint("list the revisions with: %s", in.Cluster.SX(in.Release, "history"))
}

// NotInstalled returns the error for a release that is not installed.
func (in *Installer) NotInstalled() error {
	return sx.NewError(sx.CodeNotFound, "release %s not found in the namespace %s of %s", in.Release, in.Cluster.Namespace, in.Cluster.Context).
		WithHint("install it with: %s; or select its cluster and namespace with --context and -n", in.Cluster.SX(in.Release, "install"))
}
