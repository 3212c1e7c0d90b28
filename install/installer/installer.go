// Package installer installs, upgrades, rolls back and removes a release, and rotates
// its secrets. Each operation is a sequence of steps that are reported as they
// happen. All state is in the cluster, so that the next operation can continue one
// that was interrupted.
package installer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/install/watch"
)

// Installer works on one release in one cluster.
type Installer struct {
	Cluster *kube.Cluster
	Release string
	Runner  release.Runner
	Version string           // of sx, and therefore of the images
	Report  func(Event)      // may be nil; never called concurrently
	Now     func() time.Time // the clock
	Exec    secrets.Exec     // runs a command in a pod
}

// New returns an Installer for the named release.
func New(cluster *kube.Cluster, name, version string, report func(Event)) *Installer {
	runner := release.New(cluster, name, func(string, ...any) {}) // the reported steps are more useful
	return &Installer{Cluster: cluster, Release: name, Runner: runner, Version: version, Report: report, Now: time.Now, Exec: cluster.Exec}
}

func (in *Installer) secrets() *secrets.Secrets {
	return &secrets.Secrets{Client: in.Cluster.Client, Namespace: in.Cluster.Namespace, Release: in.Release, Now: in.Now}
}

// operation runs steps while it holds the lock of the release, after recovering an
// operation that was interrupted.
func (in *Installer) operation(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, lock, err := in.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release(ctx)
	if err := in.recover(ctx, lock.stale); err != nil {
		return err
	}
	err = do(ctx)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// helmTimeout is how long Helm itself may work on a pending release: its
// operations have a default timeout of five minutes.
const helmTimeout = 5 * time.Minute

// recover ends an operation that was interrupted. stale means that it was an
// operation of sx, whose lock was taken over.
func (in *Installer) recover(ctx context.Context, stale bool) error {
	last, err := in.Runner.Last(ctx)
	if err != nil || last == nil {
		return err
	}
	switch last.Status {
	case release.Pending:
		if age := in.Now().Sub(last.Updated); !stale && age < helmTimeout {
			return in.inProgress("Helm, probably: revision %d has been pending for %s", last.Revision, age.Round(time.Second))
		}
		return in.step("recover from an interrupted operation", func() (string, error) {
			return fmt.Sprintf("revision %d", last.Revision), in.Runner.Fail(ctx, "the operation was interrupted")
		})
	case release.Removing:
		return in.step("finish an interrupted uninstall", func() (string, error) {
			return "", in.Runner.Uninstall(ctx)
		})
	default:
		return nil
	}
}

// ready waits until all workloads are ready, and reports their progress. Those with the names
// in mayStop may also be scaled to 0.
func (in *Installer) ready(ctx context.Context, timeout time.Duration, mayStop ...string) error {
	return in.step("wait for the workloads", func() (string, error) {
		n, err := in.Wait(ctx, timeout, mayStop...)
		return fmt.Sprintf("%d are ready", n), err
	})
}

// revisionReady waits like ready for a new revision. A problem marks it as failed, so that
// its values are not kept.
func (in *Installer) revisionReady(ctx context.Context, timeout time.Duration) error {
	err := in.ready(ctx, timeout)
	var problem *watch.Problem
	if errors.As(err, &problem) {
		// The problem matters more to the operator than an error in
		// recording it.
		_ = in.Runner.Fail(context.WithoutCancel(ctx), problem.Error())
	}
	return err
}

// Wait reports the progress of the workloads until all are ready, except that those with the
// names in mayStop may be scaled to 0, and returns how many are ready. If a workload cannot
// become ready, or not before the deadline, the error is a *watch.Problem.
func (in *Installer) Wait(ctx context.Context, timeout time.Duration, mayStop ...string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	shown, ready := map[string]watch.Row{}, 0
	err := watch.Wait(ctx, in.Cluster, in.Release, mayStop, func(rows []watch.Row) {
		ready = 0
		for _, r := range rows {
			if r.State == watch.StateReady {
				ready++
			}
			if key := r.Kind + "/" + r.Name; shown[key] != r {
				shown[key] = r
				in.report(Event{State: Changed, Row: &r})
			}
		}
	})
	return ready, in.Cluster.WrapError(err)
}

// logOf returns the log that an error contains.
func logOf(err error) []string {
	var problem *watch.Problem
	if errors.As(err, &problem) {
		return problem.Log
	}
	return nil
}
