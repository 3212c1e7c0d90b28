package erasure_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/erasure"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestFailedStepIsRetried checks that a step that fails is retried later, does not hold up
// other accounts, and ends when nothing is left.
func TestFailedStepIsRetried(t *testing.T) {
	t.Parallel()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	clock := testkit.NewClock()
	begin := clock.Now()
	for _, user := range []string{"broken", "other"} {
		e := sx.Erasure{UserID: user, Step: sx.EraseJobs, Settled: begin.Add(time.Hour), Due: begin}
		if err := s.Erasures.Create(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	get := func(user string) sx.Erasure {
		e, err := s.Erasures.Get(context.Background(), user)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	parts := 0
	run := func(broken bool) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		task := erasure.Step{
			Step: sx.EraseJobs, Erasures: s.Erasures, Tasks: s.Tasks, Log: slog.New(slog.DiscardHandler), Now: clock.Now,
			Erase: func(_ context.Context, e sx.Erasure) (bool, error) {
				if e.UserID == "broken" && broken {
					return false, errors.New("broken")
				}
				parts++
				return parts%3 == 0, nil
			},
		}.Task()
		group.Go(func() { task.Run(ctx) })
		stop = sync.OnceFunc(func() { cancel(); group.Wait() })
		t.Cleanup(stop)
		return stop
	}

	stop := run(true)
	testkit.Eventually(t, "the other account is erased", func() bool { return get("other").Step == sx.EraseNotifications })
	stop()
	if e := get("broken"); e.Step != sx.EraseJobs || !e.Due.Equal(begin.Add(erasure.RetryDelay)) {
		t.Errorf("after the failure: %+v", e)
	}
	if parts != 3 {
		t.Errorf("the other account took %d parts, want 3", parts)
	}
	clock.Advance(erasure.RetryDelay)
	run(false)
	testkit.Eventually(t, "the account is erased", func() bool { return get("broken").Step == sx.EraseNotifications })
}
