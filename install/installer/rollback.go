package installer

import (
	"context"
	"fmt"
	"strconv"
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
	const there = "go back to an earlier revision there"
	if len(history) == 0 {
		return release.Info{}, in.noRelease(ctx, there)
	}
	if err := in.refuseManaged(ctx, true, there); err != nil {
		return release.Info{}, err
	}
	to, err := in.findRevision(history, revision)
	if err != nil {
		return release.Info{}, err
	}
	if err := in.checkRollback(ctx, to); err != nil {
		return release.Info{}, err
	}
	var info release.Info
	err = in.operation(ctx, func(ctx context.Context) error {
		info, err = in.rollBack(ctx, to, wait, timeout)
		return err
	})
	return info, err
}

// checkRollback refuses a revision whose MongoDB or RabbitMQ could not use the volumes as they
// are now.
func (in *Installer) checkRollback(ctx context.Context, to release.Info) error {
	if err := in.checkVolumes(ctx, to.Manifest, true); err != nil {
		return err
	}
	upgrades, err := in.upgrades(ctx, to.Manifest)
	if err != nil {
		return err
	}
	for _, u := range upgrades {
		if len(u.steps) > 1 {
			return sx.NewError(sx.CodeConflict, "revision %d has %s %s, which is %d steps after the data, of version %s", to.Revision, u.product, u.to, len(u.steps), u.from).
				WithHint("sx install takes the steps one after the other: %s", in.Cluster.SX(in.Release, "install"))
		}
	}
	return nil
}

// rollBack creates a revision with the content of an earlier one.
func (in *Installer) rollBack(ctx context.Context, to release.Info, wait bool, timeout time.Duration) (release.Info, error) {
	if err := in.announceSizes(ctx, to.Manifest); err != nil {
		return release.Info{}, err
	}
	if err := in.growVolumes(ctx, to.Manifest); err != nil {
		return release.Info{}, err
	}
	var info release.Info
	err := in.step(fmt.Sprintf("roll back to revision %d", to.Revision), func() (string, error) {
		var err error
		info, err = in.Runner.Rollback(ctx, to.Revision, map[string]string{noteAuthor: in.author(ctx)})
		return fmt.Sprintf("now revision %d", info.Revision), err
	})
	if err == nil {
		err = in.unblock(ctx)
	}
	if err == nil && wait {
		err = in.revisionReady(ctx, timeout)
	}
	if err != nil {
		return info, err
	}
	return info, in.keepValues(ctx, info)
}

// findRevision returns the revision to roll back to. The history is sorted newest first.
func (in *Installer) findRevision(history []release.Info, revision int) (release.Info, error) {
	list := in.Cluster.SX(in.Release, "history")
	good := goodBefore(history[1:])
	for i, r := range history {
		switch {
		case revision == 0 && i > 0 && worked(r):
			return r, nil
		case r.Revision != revision:
		case i == 0:
			return release.Info{}, sx.NewError(sx.CodeInvalid, "revision %d is already the current one", revision).WithHint("list the revisions with: %s", list)
		case worked(r):
			return r, nil
		default:
			refusal := sx.NewError(sx.CodeInvalid, "revision %d failed: %s", revision, r.Description)
			if good == nil {
				return release.Info{}, refusal.WithHint("list the revisions with: %s", list)
			}
			return release.Info{}, refusal.WithHint("roll back to one that worked: %s", in.Cluster.SX(in.Release, "rollback", strconv.Itoa(good.Revision)))
		}
	}
	if revision == 0 {
		return release.Info{}, sx.NewError(sx.CodeNotFound, "no earlier revision worked").WithHint("list the revisions with: %s", list)
	}
	return release.Info{}, sx.NewError(sx.CodeNotFound, "revision %d not found", revision).WithHint("list the revisions with: %s", list)
}

// NotInstalled returns the error for a release that is not installed.
func (in *Installer) NotInstalled() error {
	return sx.NewError(sx.CodeNotFound, "release %s not found in the namespace %s of %s", in.Release, in.Cluster.Namespace, in.Cluster.Context).
		WithHint("install it with: %s; or select its cluster and namespace with --context and -n", in.Cluster.SX(in.Release, "install"))
}
