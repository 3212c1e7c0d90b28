package periodic_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/testkit"
)

// TestRetry checks that the pauses grow while rounds fail, up to a bound, and that the log
// has one line for all of these failures and one for their end.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.LogBuffer
		r := periodic.Retry{Log: slog.New(slog.NewTextHandler(&log, nil)), Doing: "reading", Every: 5 * time.Second}
		down := errors.New("down")
		var pauses []time.Duration
		for range 6 {
			start := time.Now()
			if err := r.Sleep(t.Context(), down); err != nil {
				t.Fatal(err)
			}
			pauses = append(pauses, time.Since(start))
		}
		for i, least := range []time.Duration{5, 10, 15, 15, 15, 15} {
			if least *= time.Second; pauses[i] < least || pauses[i] > 2*least {
				t.Errorf("pause %d is %s, want %s to %s", i+1, pauses[i], least, 2*least)
			}
		}
		if len(slices.Compact(slices.Clone(pauses))) == 1 {
			t.Errorf("all pauses are %s", pauses[0])
		}
		for range 2 {
			if got := r.Pause(t.Context(), nil); got != r.Every {
				t.Errorf("the pause after a round that succeeded is %s", got)
			}
		}
		if got := r.Pause(t.Context(), down); got > 2*r.Every {
			t.Errorf("the pause after the next failure is %s", got)
		}
		for text, want := range map[string]int{"reading failed; retrying": 2, "error=down": 2, "reading succeeded again": 1} {
			if got := strings.Count(log.String(), text); got != want {
				t.Errorf("%q is in the log %d times, want %d:\n%s", text, got, want, log.String())
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Sleep(ended, context.Canceled); !errors.Is(err, context.Canceled) {
			t.Errorf("Sleep returned %v after the end of ctx", err)
		}
	})
}
