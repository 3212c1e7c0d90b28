package converter_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestLeaseOfDeadConverterExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.upload([]byte("video"))
	f.update(j.ID, func(j *sx.Job) error { return j.Claim("dead", 100*time.Millisecond, f.now()) })
	cfg := f.config(&fakeTranscoder{})
	cfg.Lease = 3 * time.Second
	f.start(cfg)
	j = f.waitForState(j.ID, sx.StateDone)
	if j.Attempt != 2 || j.LeaseExpirations != 1 || j.Failures != 0 {
		t.Errorf("job %+v", j)
	}
	f.wantOnlyTrackOf(j)
}

// TestFastClockExpiresNothing checks that a converter whose clock is minutes
// ahead does not expire the leases of others.
func TestFastClockExpiresNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	more := make(chan struct{})
	cfg := f.config(&fakeTranscoder{step: func(context.Context, int, func(converter.Progress)) error { <-more; return nil }})
	cfg.Lease = 3 * time.Second
	f.start(cfg)
	id := f.queue([]byte("video")).ID
	f.waitForState(id, sx.StateRunning)

	fast := f.config(&fakeTranscoder{})
	fast.Lease = cfg.Lease
	fast.Now = func() time.Time { return f.now().Add(5 * time.Minute) }
	updater := *f.updater
	updater.Now = fast.Now
	fast.Updater = &updater
	f.start(fast)
	first := f.job(id)
	f.waitFor(id, func(j sx.Job) bool { return j.Lease.Sub(first.Lease) > 2*cfg.Lease || j.Attempt > 1 })
	close(more)
	if j := f.waitForState(id, sx.StateDone); j.Attempt != 1 || j.LeaseExpirations != 0 {
		t.Errorf("job %+v", j)
	}
}

// TestConverterStopsWithoutStore checks that a converter that cannot reach the
// store stops when its lease expires, and that its track is removed.
func TestConverterStopsWithoutStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var cut atomic.Bool
	stopped := make(chan struct{})
	started := make(chan struct{})
	cfg := f.config(&fakeTranscoder{step: func(ctx context.Context, call int, _ func(converter.Progress)) error {
		if call > 1 {
			return nil
		}
		close(started)
		<-ctx.Done()
		close(stopped)
		return nil // the track is stored
	}})
	cfg.Lease = 3 * time.Second
	cfg = f.withFaults(cfg, faultyStore{down: cut.Load})
	f.start(cfg)
	id := f.queue([]byte("video")).ID
	<-started
	cut.Store(true)
	since := time.Now()

	other := f.config(&fakeTranscoder{})
	other.Lease = cfg.Lease
	f.start(other)
	j := f.waitForState(id, sx.StateDone)
	<-stopped
	if took := time.Since(since); took > 15*cfg.Lease {
		t.Errorf("it kept running for %s", took)
	}
	if j.Attempt != 2 || j.LeaseExpirations != 1 {
		t.Errorf("job %+v", j)
	}
	cut.Store(false)
	testkit.Eventually(t, "removal of the orphaned track", func() bool { return len(f.tracks()) == 1 }, func() any { return f.tracks() })
	f.wantOnlyTrackOf(f.job(id))
}

// TestOutageCostsNothing makes the store unreachable for all converters, for longer than
// a lease. Another converter, which has seen that a renewal is overdue, reaches it again
// before the one that has the job.
func TestOutageCostsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		claim    bool // the outage begins with the response to the claim
		step     func(ctx context.Context) error
		attempts int
	}{
		{name: "claim", claim: true, step: func(context.Context) error { return nil }, attempts: 1},
		{name: "lease", step: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, attempts: 2},
		{name: "read", step: func(context.Context) error { return errUnavailable }, attempts: 2},
		{name: "result", step: func(context.Context) error { return nil }, attempts: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var down, downForOther atomic.Bool
			var began sync.WaitGroup
			began.Add(1)
			begin := sync.OnceFunc(func() { down.Store(true); began.Done() })
			cfg := f.config(&fakeTranscoder{step: func(ctx context.Context, call int, _ func(converter.Progress)) error {
				if call > 1 {
					return nil
				}
				if !tt.claim {
					begin()
				}
				return tt.step(ctx)
			}})
			cfg.Lease = 4 * time.Second
			f.start(f.withFaults(cfg, faultyStore{down: down.Load, fails: func(j sx.Job, stored bool) bool {
				if tt.claim && stored && j.State == sx.StateRunning && j.Attempt == 1 {
					begin()
				}
				return down.Load()
			}}))
			id := f.queue([]byte("video")).ID
			began.Wait()

			var rounds atomic.Int32 // that reached the store
			other := f.config(&fakeTranscoder{})
			other.Lease = cfg.Lease
			f.start(f.withFaults(other, faultyStore{down: func() bool {
				if !downForOther.Load() {
					rounds.Add(1)
				}
				return downForOther.Load()
			}}))
			waitUntil := func(after time.Duration) { // the lease expires
				f.waitFor(id, func(j sx.Job) bool { return f.now().After(j.Lease.Add(after)) })
			}
			waitUntil(-cfg.Lease / 4)
			downForOther.Store(true)
			waitUntil(cfg.Lease)
			rounds.Store(0)
			downForOther.Store(false)
			testkit.Eventually(t, "checks for expired leases", func() bool { return rounds.Load() >= 10 })
			down.Store(false)
			j := f.waitFor(id, func(j sx.Job) bool { return j.State == sx.StateDone || j.State == sx.StateQueued })
			if j.State == sx.StateQueued {
				f.ahead.Add(int64(time.Minute)) // past the pause
			}
			if j = f.waitForState(id, sx.StateDone); j.Attempt != tt.attempts || j.LeaseExpirations != 0 || j.Failures != 0 {
				t.Errorf("attempt %d of %d, %d lease expirations, %d failures: %+v", j.Attempt, tt.attempts, j.LeaseExpirations, j.Failures, j.Attempts)
			}
			f.wantOnlyTrackOf(j)
		})
	}
}

// TestStopDuringOutage checks that a converter that cannot record how an attempt ended does
// not wait for the end of the outage when it is stopped.
func TestStopDuringOutage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var down atomic.Bool
	cfg := f.config(&fakeTranscoder{step: func(context.Context, int, func(converter.Progress)) error {
		down.Store(true)
		return errUnavailable
	}})
	var log *testkit.LogBuffer
	cfg.Log, log = testkit.Logger(t)
	stop := f.start(f.withFaults(cfg, faultyStore{down: down.Load}))
	f.queue([]byte("video"))
	log.Wait(t, "job not updated; retrying")
	since := time.Now()
	stop()
	if took := time.Since(since); took > 20*time.Second {
		t.Errorf("it stopped after %s", took)
	}
}

func TestShortOutage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var refused atomic.Int32
	more := make(chan struct{})
	cfg := f.config(&fakeTranscoder{step: func(context.Context, int, func(converter.Progress)) error { <-more; return nil }})
	cfg = f.withFaults(cfg, faultyStore{fails: func(j sx.Job, stored bool) bool {
		return !stored && j.State == sx.StateRunning && j.Rev > 1 && refused.Load() < 5 && refused.Add(1) > 0
	}})
	f.start(cfg)
	id := f.queue([]byte("video")).ID
	testkit.Eventually(t, "refused renewals", func() bool { return refused.Load() == 5 }, func() any { return refused.Load() })
	close(more)
	if j := f.waitForState(id, sx.StateDone); j.Attempt > 1 {
		t.Errorf("job %+v", j)
	}
}

// TestStoreErrors makes the store unavailable, or loses its response, once at
// each step.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	permanent := sx.NewError(sx.CodeNoAudio, "silent")
	for _, tt := range []struct {
		name     string
		err      error // of the transcoder
		at       sx.State
		stored   bool
		want     sx.State
		attempts int
	}{
		{"claim", nil, sx.StateRunning, false, sx.StateDone, 1},
		{"response to claim", nil, sx.StateRunning, true, sx.StateDone, 1},
		{"finish", nil, sx.StateDone, false, sx.StateDone, 1},
		{"response to finish", nil, sx.StateDone, true, sx.StateDone, 1},
		{"fail", permanent, sx.StateFailed, false, sx.StateFailed, 1},
		{"response to fail", permanent, sx.StateFailed, true, sx.StateFailed, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var lost atomic.Int32
			tc := &fakeTranscoder{step: func(context.Context, int, func(converter.Progress)) error { return tt.err }}
			cfg := f.withFaults(f.config(tc), faultyStore{fails: func(j sx.Job, stored bool) bool {
				return j.State == tt.at && stored == tt.stored && lost.CompareAndSwap(0, 1)
			}})
			stop := f.start(cfg)
			id := f.queue([]byte("video")).ID
			j := f.waitForState(id, tt.want)
			testkit.Eventually(t, "lost response", func() bool { return lost.Load() == 1 }, func() any { return lost.Load() })
			stop() // all writes have ended
			if j.Attempt != tt.attempts || j.Failures > 1 || j.LeaseExpirations > 0 {
				t.Errorf("job %+v", j)
			}
			if tt.want == sx.StateDone {
				f.wantOnlyTrackOf(f.job(id))
			}
		})
	}
}

// TestEditBeforeResponse has the response to the result lost, and the title edited before the
// converter tries again: it must not take the result for another attempt's and remove it.
func TestEditBeforeResponse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var edited atomic.Bool
	tc := transcoderFunc(func(_ context.Context, _ converter.Input, out converter.Output) (converter.Result, error) {
		for number := 1; number <= 2; number++ {
			if err := out.Put(number, store.Head{}, strings.NewReader("an MP3")); err != nil {
				return converter.Result{}, err
			}
		}
		return converter.Result{Durations: []time.Duration{time.Second, time.Second}}, nil
	})
	cfg := f.withFaults(f.config(tc), faultyStore{fails: func(j sx.Job, stored bool) bool {
		if j.State != sx.StateDone || !stored || !edited.CompareAndSwap(false, true) {
			return false
		}
		_, err := store.Update(t.Context(), j.ID, f.store.Jobs.Get, f.store.Jobs.Replace, func(j *sx.Job) error {
			old := j.Tracks[0]
			track := old
			track.ID = sx.EditedTrackID(old.ID, f.now())
			return j.ReplaceTrack(old.ID, track, f.now())
		})
		if err != nil {
			t.Error(err)
		}
		return true
	}})
	stop := f.start(cfg)
	j := f.waitForState(f.queue([]byte("video")).ID, sx.StateDone)
	testkit.Eventually(t, "the edit", edited.Load)
	stop() // all writes have ended
	if ids := f.tracks(); !slices.Contains(ids, sx.TrackID(j.ID, 1, 2)) {
		t.Errorf("the tracks are %v, those of the job %+v", ids, f.job(j.ID).Tracks)
	}
}
