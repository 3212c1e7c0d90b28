package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// beat is how often graces are looked at when nothing changes; it asks the
// cluster nothing.
const beat = time.Second

// Follow reports the rows of the release whenever one changes, until ctx ends,
// which is no error, or a Problem that cannot heal (a *Problem with its log).
// What went wrong before Follow began counts only if it goes wrong again. The
// API server may be away in between. Missing permission is an *sx.Error of code
// forbidden.
func Follow(ctx context.Context, cluster *kube.Cluster, release string, changed func([]Row)) error {
	_, err := follow(ctx, cluster, release, changed, func([]Row) bool { return false })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// Wait is Follow until every workload is ready, which is nil. When ctx's
// deadline passes it is the most telling *Problem, which wraps
// context.DeadlineExceeded; when ctx is cancelled, ctx's error.
func Wait(ctx context.Context, cluster *kube.Cluster, release string, changed func([]Row)) error {
	last, err := follow(ctx, cluster, release, changed, allReady)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		return err
	}
	p := last.timeout()
	p.fillLog(ctx, cluster)
	return &p
}

func allReady(rows []Row) bool {
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(r Row) bool { return r.State != StateReady })
}

// follow goes on until it is done, there is a fatal problem or ctx ends, and
// returns the last snapshot, nil if there was none.
func follow(ctx context.Context, cluster *kube.Cluster, release string, changed func([]Row), done func([]Row) bool) (*snapshot, error) {
	since := time.Now().Truncate(time.Second) // the cluster's times have no fractions
	v := newView(cluster, release)
	defer v.close()
	v.start(ctx)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	var shown []Row
	var snap *snapshot
	for {
		select {
		case <-ctx.Done():
			return snap, ctx.Err()
		case err := <-v.refused:
			return snap, forbidden(err)
		case <-v.changed:
		case <-ticker.C:
		}
		if !v.synced() {
			continue
		}
		snap = v.snapshot(time.Now(), since)
		rows, problems := snap.diagnose()
		if changed != nil && !slices.Equal(rows, shown) {
			changed(rows)
			shown = rows
		}
		if done(rows) {
			return snap, nil
		}
		if len(problems) > 0 && problems[0].Fatal {
			problems[0].fillLog(ctx, cluster)
			return snap, &problems[0]
		}
	}
}

// timeout is the most telling problem when the time is up.
func (snap *snapshot) timeout() Problem {
	if snap == nil {
		return Problem{Object: "cluster", Reason: "Unreachable", Message: "the API server did not answer", Next: "kubectl get nodes", timedOut: true}
	}
	all := *snap
	all.since = time.Time{} // what is not ready now has its reason, however old
	rows, problems := all.diagnose()
	if len(problems) > 0 {
		problems[0].timedOut = true
		return problems[0]
	}
	for _, r := range rows {
		if r.State != StateReady {
			return Problem{
				Object: r.object(), Reason: ReasonNotReady, Message: r.Reason, timedOut: true,
				Next: snap.kubectl("describe", r.Kind, r.Name),
			}
		}
	}
	return Problem{
		Object: "release/" + snap.release, Reason: ReasonNothingStarted, Message: "it has no workloads in the namespace " + snap.target.Namespace,
		Next: snap.install(), timedOut: true,
	}
}

func forbidden(err error) *sx.Error {
	return sx.NewError(sx.CodeForbidden, "the cluster does not let you watch the release: %v", err).
		WithHint("ask for the permissions to get, list and watch pods, persistentvolumeclaims, events, deployments, statefulsets and replicasets in the namespace").WithCause(err)
}

// Snapshot tells how the release is doing now, with all its problems and their
// logs, the most telling first. The error is the API server's.
func Snapshot(ctx context.Context, cluster *kube.Cluster, release string) ([]Row, []Problem, error) {
	snap, err := list(ctx, cluster, release)
	if err != nil {
		return nil, nil, err
	}
	rows, problems := snap.diagnose()
	for i := range problems {
		problems[i].fillLog(ctx, cluster)
	}
	return rows, problems, nil
}
