// Package installer does what changes an installation in a cluster, each
// operation as a row of steps that are reported as they go: install or upgrade,
// roll back, remove, rotate the secrets. All state is in the cluster: whatever
// was cut off, the next operation finds it and goes on.
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
	Version string           // of sx, which the chart's images have too
	Report  func(Event)      // may be nil; called by one goroutine at a time
	Now     func() time.Time // the clock
}

// New works on the release of the name with Helm's library.
func New(cluster *kube.Cluster, name, version string, report func(Event)) (*Installer, error) {
	runner, err := release.New(cluster, name, func(string, ...any) {}) // our own steps say more
	if err != nil {
		return nil, err
	}
	return &Installer{Cluster: cluster, Release: name, Runner: runner, Version: version, Report: report, Now: time.Now}, nil
}

func (in *Installer) secrets() *secrets.Secrets {
	return &secrets.Secrets{Client: in.Cluster.Client, Namespace: in.Cluster.Namespace, Release: in.Release, Now: in.Now}
}

// operation does steps while this sx alone works on the release. Its first step
// sees to what an earlier operation left undone.
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

// helmTimeout is how long a release that is pending may be in the hands of Helm
// itself, whose operations last five minutes unless they are told otherwise.
const helmTimeout = 5 * time.Minute

// recover ends what an operation left that was cut off. stale says that it was
// one of sx.
func (in *Installer) recover(ctx context.Context, stale bool) error {
	last, err := in.Runner.Last(ctx)
	if err != nil || last == nil {
		return err
	}
	switch last.Status {
	case release.Pending:
		if age := in.Now().Sub(last.Updated); !stale && age < helmTimeout {
			return in.inProgress("Helm, it seems: revision %d is pending since %s", last.Revision, age.Round(time.Second))
		}
		return in.step("recover from an operation that was cut off", func() (string, error) {
			return fmt.Sprintf("revision %d", last.Revision), in.Runner.Fail(ctx, "whoever was at it was ended")
		})
	case release.Removing:
		return in.step("finish an uninstall that was cut off", func() (string, error) {
			return "", in.Runner.Uninstall(ctx)
		})
	default:
		return nil
	}
}

// ready waits until all workloads are ready, and reports how they do. A problem
// that does not heal fails the release.
func (in *Installer) ready(ctx context.Context, timeout time.Duration) error {
	return in.step("wait for the workloads", func() (string, error) {
		n, err := in.Wait(ctx, timeout)
		var problem *watch.Problem
		if errors.As(err, &problem) {
			// What is told to the operator matters more than an error of the note.
			_ = in.Runner.Fail(context.WithoutCancel(ctx), problem.Error())
		}
		return fmt.Sprintf("%d are ready", n), err
	})
}

// Wait reports how the workloads do until all are ready, and gives their number.
// The error is a *watch.Problem when one cannot become ready, or when the time is
// up.
func (in *Installer) Wait(ctx context.Context, timeout time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	shown := map[string]watch.Row{}
	err := watch.Wait(ctx, in.Cluster, in.Release, func(rows []watch.Row) {
		for _, r := range rows {
			if key := r.Kind + "/" + r.Name; shown[key] != r {
				shown[key] = r
				in.report(Event{State: Changed, Row: &r})
			}
		}
	})
	return len(shown), in.Cluster.WrapError(err)
}

// logOf is the log that an error carries.
func logOf(err error) []string {
	var problem *watch.Problem
	if errors.As(err, &problem) {
		return problem.Log
	}
	return nil
}
