package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// fixture is an updater with its own store and bus.
type fixture struct {
	*jobs.Updater
	t     *testing.T
	clock *testkit.Clock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b, clock := membus.New(), testkit.NewClock()
	t.Cleanup(func() { _ = b.Close() })
	return &fixture{t: t, clock: clock, Updater: &jobs.Updater{
		Jobs: s.Jobs, Bus: b, Log: slog.New(slog.DiscardHandler), Now: clock.Now,
	}}
}

// create stores a job in the state without publishing a message.
func (f *fixture) create(state sx.State) sx.Job {
	f.t.Helper()
	now := f.clock.Now()
	j := sx.Job{ID: sx.NewID(), Owner: "alice", State: state, Created: now, Updated: now, Rev: 1}
	if err := f.Jobs.Create(f.t.Context(), j); err != nil {
		f.t.Fatal(err)
	}
	return j
}

// update applies a transition to the job.
func (f *fixture) update(id string, fn func(*sx.Job) error) sx.Job {
	f.t.Helper()
	j, err := f.Update(f.t.Context(), id, fn)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

// take removes all messages from the queue and returns their job ids.
func (f *fixture) take(q bus.Queue) (ids []string) {
	f.t.Helper()
	ctx := f.t.Context()
	depth, err := f.Bus.Depth(ctx, q)
	if err != nil {
		f.t.Fatal(err)
	}
	for range depth.Ready {
		d, err := f.Bus.Receive(ctx, q)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := d.Ack(ctx); err != nil {
			f.t.Fatal(err)
		}
		ids = append(ids, d.Message().JobID)
	}
	return ids
}

// want checks how many messages each queue holds for the job, and removes them.
func (f *fixture) want(after string, convert, notify int) {
	f.t.Helper()
	if c, n := f.take(bus.Convert), f.take(bus.Notify); len(c) != convert || len(n) != notify {
		f.t.Errorf("after %s: %d messages to convert and %d to notify, want %d and %d", after, len(c), len(n), convert, notify)
	}
}

func TestUpdatePublishes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateUploading).ID
	now := f.clock.Now
	f.update(id, func(j *sx.Job) error { return j.Queue("digest", now()) })
	f.want("the upload", 1, 0)
	f.update(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, now()) })
	f.want("the claim", 0, 0)
	f.update(id, func(j *sx.Job) error { return j.RenewLease(j.Attempt, time.Minute, 50, 0, now()) })
	f.want("a renewal of the lease", 0, 0)
	j := f.update(id, func(j *sx.Job) error { return j.Release(j.Attempt, now()) })
	f.want("the release", 1, 0)
	if stored, err := f.Jobs.Get(t.Context(), id); err != nil || stored.Rev != j.Rev {
		t.Errorf("Update returned revision %d, stored is %d, %v", j.Rev, stored.Rev, err)
	}
}

func TestUpdateNotifies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateQueued).ID
	f.update(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	f.update(id, func(j *sx.Job) error { return j.Finish(j.Attempt, []sx.Track{{Size: 1}}, nil, f.clock.Now()) })
	f.want("the end", 0, 1)
	f.update(id, func(j *sx.Job) error { return j.MarkNotified(f.clock.Now()) })
	f.want("the notification", 0, 0)
}

func TestDelayedRetryIsNotPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateQueued).ID
	f.update(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	j := f.update(id, func(j *sx.Job) error {
		return j.Fail(j.Attempt, sx.NewError(sx.CodeInternal, "no"), f.clock.Now())
	})
	if j.State != sx.StateQueued || j.NotBefore.IsZero() {
		t.Fatalf("the job is %s and waits until %v, want it queued with a delay", j.State, j.NotBefore)
	}
	f.want("a failure", 0, 0)
}

func TestFailedUpdateStoresNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateUploading).ID
	no := errors.New("no")
	if _, err := f.Update(t.Context(), id, func(j *sx.Job) error {
		j.State = sx.StateQueued
		return no
	}); !errors.Is(err, no) {
		t.Errorf("got %v, want the function's error", err)
	}
	if j, err := f.Jobs.Get(t.Context(), id); err != nil || j.State != sx.StateUploading || j.Rev != 1 {
		t.Errorf("stored %+v, %v", j, err)
	}
	f.want("a failed update", 0, 0)
}

func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateUploading).ID
	const updates = 20
	var group sync.WaitGroup
	for range updates {
		group.Go(func() {
			if _, err := f.Update(t.Context(), id, func(j *sx.Job) error {
				j.Failures++
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if j, err := f.Jobs.Get(t.Context(), id); err != nil || j.Failures != updates || j.Rev != updates+1 {
		t.Errorf("stored %d changes with revision %d, %v, want %d", j.Failures, j.Rev, err, updates)
	}
}

// TestUpdateOutlivesItsCaller checks that a stored change is published although
// the caller's context has ended.
func TestUpdateOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateUploading).ID
	ctx, cancel := context.WithCancel(t.Context())
	f.Jobs = cancelling{f.Jobs, cancel}
	if _, err := f.Update(ctx, id, func(j *sx.Job) error { return j.Queue("digest", f.clock.Now()) }); err != nil {
		t.Fatal(err)
	}
	f.want("the upload", 1, 0)
}

// cancelling cancels a context as soon as a change is stored.
type cancelling struct {
	store.Jobs
	cancel context.CancelFunc
}

func (c cancelling) Replace(ctx context.Context, j sx.Job) error {
	defer c.cancel()
	return c.Jobs.Replace(ctx, j)
}

// TestUnreachableBroker checks that a change succeeds if its messages cannot be
// published.
func TestUnreachableBroker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(sx.StateUploading).ID
	if err := f.Bus.Close(); err != nil {
		t.Fatal(err)
	}
	if j := f.update(id, func(j *sx.Job) error { return j.Queue("digest", f.clock.Now()) }); j.State != sx.StateQueued {
		t.Errorf("the job is %s", j.State)
	}
}

// reconcile runs a reconciler for all queued jobs until the test ends.
func (f *fixture) reconcile() {
	f.t.Helper()
	r := &jobs.Reconciler{
		Updater: f.Updater, Queue: bus.Convert, Every: 5 * time.Millisecond,
		Waiting: func(ctx context.Context, _ time.Time, limit int) ([]sx.Job, error) { return f.Jobs.Waiting(ctx, limit) },
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(group.Wait)
	f.t.Cleanup(cancel)
}

func (f *fixture) depth() int {
	f.t.Helper()
	depth, err := f.Bus.Depth(f.t.Context(), bus.Convert)
	if err != nil {
		f.t.Fatal(err)
	}
	return depth.Ready
}

func TestReconcilerPublishesLostMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.create(sx.StateQueued), f.create(sx.StateQueued)
	f.create(sx.StateUploading) // not due
	f.clock.Advance(time.Minute)
	f.reconcile()
	testkit.Eventually(t, "two messages", func() bool { return f.depth() == 2 })
	ids := map[string]bool{}
	for _, id := range f.take(bus.Convert) {
		ids[id] = true
	}
	if !ids[first.ID] || !ids[second.ID] {
		t.Errorf("published for %v", ids)
	}
	// The clock does not advance, so the messages are not published again yet.
	f.clock.Advance(time.Minute)
	testkit.Eventually(t, "two messages again", func() bool { return f.depth() == 2 })
}

func TestReconcilerLeavesRecentJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.create(sx.StateQueued)
	f.clock.Advance(time.Minute)
	f.create(sx.StateQueued) // its message is probably still on its way
	f.reconcile()
	testkit.Eventually(t, "a message", func() bool { return f.depth() > 0 })
	if ids := f.take(bus.Convert); len(ids) != 1 || ids[0] != old.ID {
		t.Errorf("published for %q, want %q only", ids, old.ID)
	}
}
