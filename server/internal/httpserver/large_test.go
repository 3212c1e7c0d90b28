package httpserver_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

func TestLargeRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := httpserver.NewLargeRequests()
		// enter has the account make requests until one is refused.
		enter := func(account string, most int) (leave []func(), refused error) {
			for len(leave) < most {
				end, err := l.Enter(t.Context(), account)
				if err != nil {
					return leave, err
				}
				leave = append(leave, end)
			}
			return leave, nil
		}
		start := time.Now()
		all, err := enter("a", 1000)
		each := len(all)
		if sx.CodeOf(err) != sx.CodeTooManyRequests || sx.AsError(err).RetryAfter == 0 || each < 2 {
			t.Fatalf("%d requests of an account are served, then %v", each, err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it was refused after %v", took)
		}
		for i := range 3 {
			more, err := enter(fmt.Sprintf("b%d", i), each)
			if err != nil {
				t.Fatalf("another account: %v", err)
			}
			all = append(all, more...)
		}
		if more, err := enter("c", 1); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Fatalf("%d more requests are served, then %v", len(more), err)
		}

		waiting := make(chan error, 1)
		go func() {
			leave, err := l.Enter(t.Context(), "c")
			if err == nil {
				leave()
			}
			waiting <- err
		}()
		synctest.Wait()
		all[0]()
		if err := <-waiting; err != nil {
			t.Errorf("a request that waited: %v", err)
		}
		again, err := enter("a", each)
		if len(again) != 1 || sx.CodeOf(err) != sx.CodeTooManyRequests {
			t.Errorf("after one ended, %d more are served, then %v", len(again), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Enter(gone, "a"); err == nil {
			t.Error("a request whose client has gone is served")
		}
		for _, leave := range append(all[1:], again...) {
			leave()
		}
		if _, err := enter("a", each); err != nil {
			t.Errorf("after all have ended: %v", err)
		}
	})
}
