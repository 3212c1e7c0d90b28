package tusserver_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/internal/tusserver"
	"github.com/soundextract/sx/server/sx"
)

func TestNewestRequestGetsTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		locks := tusserver.NewLocks()
		stopped := make(chan struct{}, 10)
		first, err := locks.Preempt(t.Context(), "a", func(error) { stopped <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		results := make([]error, 3)
		for i := range results {
			go func() {
				release, err := locks.Preempt(t.Context(), "a", func(error) {})
				if results[i] = err; err == nil {
					release()
				}
			}()
			synctest.Wait()
		}
		if len(stopped) == 0 || !locks.Held("a") || locks.Held("b") || !slices.Equal(locks.All(), []string{"a"}) {
			t.Errorf("stopped %d times, locked: %v", len(stopped), locks.All())
		}
		first()
		synctest.Wait()
		// The others may have held it briefly before the newest request.
		for i, err := range results {
			if err != nil && (i == len(results)-1 || sx.CodeOf(err) != sx.CodeOffsetConflict) {
				t.Errorf("request %d: %v", i, err)
			}
		}
		if locks.Held("a") {
			t.Error("the lock is still held")
		}
	})
}

func TestLockIsNotPreempted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		locks := tusserver.NewLocks()
		release, err := locks.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := locks.Preempt(t.Context(), "a", func(error) {}); sx.CodeOf(err) != sx.CodeUnavailable || time.Since(start) != 20*time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := locks.Lock(ctx, "a"); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Errorf("got %v for a client that has disconnected", err)
		}
		release()
		if release, err = locks.Lock(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		release()
	})
}
