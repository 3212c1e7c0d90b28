package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/install/kube"
)

// graceInterval is how often grace periods are checked when nothing changes; this
// sends no requests.
const graceInterval = time.Second

// Follow reports the rows of the release whenever one changes, until ctx ends,
// which is not an error, or until there is a fatal *Problem, which contains its
// log. Problems from before the call count only if they occur again. The API
// server may be temporarily unavailable. If a permission is missing, Follow
// returns an *sx.Error of code forbidden.
func Follow(ctx context.Context, cluster *kube.Cluster, release string, changed func([]Row)) error {
	_, err := follow(ctx, cluster, release, nil, changed, func([]Row) bool { return false })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// Wait is like Follow, but returns nil as soon as every workload is ready; those with the
// names in mayStop may also be scaled to 0. If ctx's deadline passes, the error is the most
// significant *Problem, which wraps context.DeadlineExceeded; if ctx is cancelled, ctx's
// error.
func Wait(ctx context.Context, cluster *kube.Cluster, release string, mayStop []string, changed func([]Row)) error {
	last, err := follow(ctx, cluster, release, mayStop, changed, func(rows []Row) bool {
		return len(rows) > 0 && !slices.ContainsFunc(rows, func(r Row) bool { return !r.complete(mayStop) })
	})
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		return err
	}
	p := last.timeout(cluster.Target)
	p.fillLog(ctx, cluster)
	return &p
}

// complete reports whether there is nothing to wait for.
func (r Row) complete(mayStop []string) bool {
	return r.State == StateReady || r.State == StateStopped && slices.Contains(mayStop, r.Name)
}

// follow runs until done returns true, there is a fatal problem or ctx ends. It
// returns the last snapshot, or nil if there was none.
func follow(ctx context.Context, cluster *kube.Cluster, release string, mayStop []string, changed func([]Row), done func([]Row) bool) (*snapshot, error) {
	since := time.Now().Truncate(time.Second) // timestamps of Kubernetes are in seconds
	v := newView(cluster, release)
	defer v.close()
	v.start(ctx)
	ticker := time.NewTicker(graceInterval)
	defer ticker.Stop()
	var shown []Row
	var snap *snapshot
	for {
		select {
		case <-ctx.Done():
			return snap, ctx.Err()
		case err := <-v.denied:
			return snap, cluster.WrapError(fmt.Errorf("watch the release: %w", err))
		case <-v.changed:
		case <-ticker.C:
		}
		if !v.synced() {
			continue
		}
		snap = v.snapshot(time.Now(), since)
		snap.mayStop = mayStop
		rows, problems := snap.diagnose()
		if changed != nil && !slices.Equal(rows, shown) {
			changed(rows)
			shown = rows
		}
		if done(rows) {
			return snap, nil
		}
		if len(problems) > 0 && problems[0].Fatal && problems[0].ConsequenceOf == "" {
			problems[0].fillLog(ctx, cluster)
			return snap, &problems[0]
		}
	}
}

// timeout returns the most significant problem when the time is up.
func (snap *snapshot) timeout(target kube.Target) Problem {
	if snap == nil {
		return Problem{
			Object: "cluster", Reason: "Unreachable", Message: "the API server did not respond",
			Next: target.Kubectl("get", "nodes"), timedOut: true,
		}
	}
	all := *snap
	all.since = time.Time{} // include the reasons from before
	all.timeIsUp = true
	rows, problems := all.diagnose()
	if len(problems) > 0 && problems[0].ConsequenceOf == "" {
		problems[0].timedOut = true
		return problems[0]
	}
	for _, r := range rows {
		if !r.complete(snap.mayStop) {
			return Problem{
				Object: r.object(), Reason: ReasonNotReady, Message: r.Reason, timedOut: true,
				Next: snap.target.Kubectl("describe", r.Kind, r.Name),
			}
		}
	}
	return Problem{
		Object: "release/" + snap.release, Reason: ReasonNothingStarted, Message: "no workloads found in the namespace " + snap.target.Namespace,
		Next: snap.install(), timedOut: true,
	}
}

// Status returns the current state of the release, with all problems: causes first, with
// their logs, and their consequences last. reported says, by component, why the parts
// that need it cannot use it, which Kubernetes does not see; it may be nil.
func Status(ctx context.Context, cluster *kube.Cluster, release string, reported map[string]string) ([]Row, []Problem, error) {
	snap, err := list(ctx, cluster, release)
	if err != nil {
		return nil, nil, err
	}
	snap.reported = reported
	rows, problems := snap.diagnose()
	var logs sync.WaitGroup
	for i := range problems {
		if problems[i].ConsequenceOf == "" {
			logs.Go(func() { problems[i].fillLog(ctx, cluster) })
		}
	}
	logs.Wait()
	return rows, problems, nil
}
