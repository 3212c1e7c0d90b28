package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/backoff"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := backoff.Sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("slept %s: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := backoff.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("slept %s: %v", time.Since(start), err)
		}
		if err := backoff.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no pause after the context's end: %v", err)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff.Backoff{First: 100 * time.Millisecond, Max: 300 * time.Millisecond}
	for _, limit := range []time.Duration{100, 200, 300, 300} {
		limit *= time.Millisecond
		if got := b.Next(); got < limit/2 || got > limit {
			t.Errorf("got %s, want between half of %s and all of it", got, limit)
		}
	}
	b.Reset()
	if got := b.Next(); got > 100*time.Millisecond {
		t.Errorf("after Reset: %s", got)
	}
}
