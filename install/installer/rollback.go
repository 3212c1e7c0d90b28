package installer

import (
	"context"
	"fmt"
	"time"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// Rollback goes back to an earlier revision, 0 is the newest one before the last
// that was deployed, and waits until its workloads are ready.
func (in *Installer) Rollback(ctx context.Context, revision int, wait bool, timeout time.Duration) (release.Info, error) {
	history, err := in.Runner.History(ctx)
	if err != nil {
		return release.Info{}, err
	}
	to, err := in.earlier(history, revision)
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
			return fmt.Sprintf("it is revision %d now", info.Revision), err
		})
		if err != nil || !wait {
			return err
		}
		return in.ready(ctx, timeout)
	})
	return info, err
}

// earlier finds the revision to go back to. The history has the newest first.
func (in *Installer) earlier(history []release.Info, revision int) (release.Info, error) {
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
		return release.Info{}, sx.NewError(sx.CodeInvalid, "revision %d is the newest one already", revision).WithHint("see all with: sx history")
	case 0:
		return release.Info{}, sx.NewError(sx.CodeNotFound, "there is no earlier revision that was deployed").WithHint("see all with: sx history")
	}
	return release.Info{}, sx.NewError(sx.CodeNotFound, "there is no revision %d any more, or not yet", revision).WithHint("see all with: sx history")
}

// NotInstalled says that there is no release here.
func (in *Installer) NotInstalled() error {
	return sx.NewError(sx.CodeNotFound, "no release %s is installed in the namespace %s of %s", in.Release, in.Cluster.Namespace, in.Cluster.Context).
		WithHint("install it with: sx install -n %s, or say where it is with --context and -n", in.Cluster.Namespace)
}
