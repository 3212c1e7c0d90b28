package converter_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
)

func TestSilentConverterLosesItsJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := h.upload([]byte("video"))
	h.change(j.ID, func(j *sx.Job) error { return j.Claim("dead", 100*time.Millisecond, h.now()) })
	cfg := h.config(&echo{})
	cfg.Lease = 300 * time.Millisecond
	h.start(cfg)
	j = h.untilState(j.ID, sx.StateDone)
	if j.Attempt != 2 || j.LeaseExpirations != 1 || j.Failures != 0 {
		t.Errorf("job %+v", j)
	}
	h.only(j)
}

// A converter whose clock is minutes ahead must not take jobs from the others.
func TestFastClockTakesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	more := make(chan struct{})
	cfg := h.config(&echo{step: func(context.Context, int, func(converter.Progress)) error { <-more; return nil }})
	cfg.Lease = 3 * time.Second
	h.start(cfg)
	id := h.queue([]byte("video")).ID
	h.untilState(id, sx.StateRunning)

	fast := h.config(&echo{})
	fast.Lease = cfg.Lease
	fast.Now = func() time.Time { return h.now().Add(5 * time.Minute) }
	updater := *h.updater
	updater.Now = fast.Now
	fast.Updater = &updater
	h.start(fast)
	first := h.job(id)
	h.until(id, func(j sx.Job) bool { return j.Lease.Sub(first.Lease) > 2*cfg.Lease || j.Attempt > 1 })
	close(more)
	if j := h.untilState(id, sx.StateDone); j.Attempt != 1 || j.LeaseExpirations != 0 {
		t.Errorf("job %+v", j)
	}
}

// A converter that cannot reach the store stops when its lease has run out, and
// what it made before counts for nothing.
func TestCutOffConverterStops(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var cut atomic.Bool
	stopped := make(chan struct{})
	begun := make(chan struct{})
	cfg := h.config(&echo{step: func(ctx context.Context, call int, _ func(converter.Progress)) error {
		if call > 1 {
			return nil
		}
		close(begun)
		<-ctx.Done()
		close(stopped)
		return nil // it stores its track all the same
	}})
	cfg.Lease = time.Second
	cfg = h.behind(cfg, away{down: cut.Load})
	h.start(cfg)
	id := h.queue([]byte("video")).ID
	<-begun
	cut.Store(true)
	since := time.Now()

	other := h.config(&echo{})
	other.Lease = cfg.Lease
	h.start(other)
	j := h.untilState(id, sx.StateDone)
	<-stopped
	if took := time.Since(since); took > 15*cfg.Lease {
		t.Errorf("it went on for %s", took)
	}
	if j.Attempt != 2 || j.LeaseExpirations != 1 {
		t.Errorf("job %+v", j)
	}
	cut.Store(false)
	eventually(t, func() bool { return len(h.tracks()) == 1 }, func() any { return h.tracks() })
	h.only(h.job(id))
}

func TestShortOutageIsSurvived(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var refused atomic.Int32
	more := make(chan struct{})
	cfg := h.config(&echo{step: func(context.Context, int, func(converter.Progress)) error { <-more; return nil }})
	cfg = h.behind(cfg, away{fails: func(j sx.Job, stored bool) bool {
		return !stored && j.State == sx.StateRunning && j.Rev > 1 && refused.Load() < 5 && refused.Add(1) > 0
	}})
	h.start(cfg)
	id := h.queue([]byte("video")).ID
	eventually(t, func() bool { return refused.Load() == 5 }, func() any { return refused.Load() })
	close(more)
	if j := h.untilState(id, sx.StateDone); j.Attempt > 1 {
		t.Errorf("job %+v", j)
	}
}

// The store is away, or its answer gets lost, at every step once.
func TestLostAnswers(t *testing.T) {
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
		{"finish", nil, sx.StateDone, false, sx.StateDone, 1},
		{"answer to finish", nil, sx.StateDone, true, sx.StateDone, 1},
		{"fail", permanent, sx.StateFailed, false, sx.StateFailed, 1},
		{"answer to fail", permanent, sx.StateFailed, true, sx.StateFailed, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var lost atomic.Int32
			tc := &echo{step: func(context.Context, int, func(converter.Progress)) error { return tt.err }}
			cfg := h.behind(h.config(tc), away{fails: func(j sx.Job, stored bool) bool {
				return j.State == tt.at && stored == tt.stored && lost.CompareAndSwap(0, 1)
			}})
			stop := h.start(cfg)
			id := h.queue([]byte("video")).ID
			j := h.untilState(id, tt.want)
			eventually(t, func() bool { return lost.Load() == 1 }, func() any { return lost.Load() })
			stop() // everything that was on its way has arrived
			if j.Attempt != tt.attempts || j.Failures > 1 {
				t.Errorf("job %+v", j)
			}
			if tt.want == sx.StateDone {
				h.only(h.job(id))
			}
		})
	}
}
