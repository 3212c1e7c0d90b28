package transfer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func TestRetryable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"no answer", errUnreachable, true},
		{"wrapped", fmt.Errorf("x: %w", errUnreachable), true},
		{"a stall", transfer.ErrStalled, true},
		{"not ready", sx.NewError(sx.CodeUnavailable, "x"), true},
		{"broken", sx.NewError(sx.CodeInternal, "x"), true},
		{"too often", sx.NewError(sx.CodeTooManyAttempts, "x"), true},
		{"no TLS", &client.Unreachable{Err: http.ErrSchemeMismatch}, false},
		{"not ours", client.ErrForeign, true},
		{"blocked", sx.NewError(sx.CodeBlocked, "x"), false},
		{"not the server", &client.Unreachable{Err: &tls.CertificateVerificationError{Err: errors.New("x")}}, false},
		{"refused", sx.NewError(sx.CodeNotMedia, "x"), false},
		{"not signed in", sx.NewError(sx.CodeUnauthenticated, "x"), false},
		{"something else", errors.New("x"), false},
	}
	for _, tt := range tests {
		if got := transfer.Retryable(tt.err); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestPausesGrowAndProgressResetsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &progressLog{}
		r := (&transfer.Policy{Timeout: time.Minute}).Start(w)
		pause := func() time.Duration {
			started := time.Now()
			if err := r.Pause(t.Context(), errUnreachable); err != nil {
				t.Fatal(err)
			}
			return time.Since(started)
		}
		r.Progress()
		first, second, third := pause(), pause(), pause()
		if first < 100*time.Millisecond || second < 200*time.Millisecond || third < 400*time.Millisecond {
			t.Errorf("paused %s, %s, %s", first, second, third)
		}
		r.Progress()
		if again := pause(); again > 200*time.Millisecond {
			t.Errorf("after progress paused %s", again)
		}
		if len(w.waits) != 4 || w.waits[0] != "no connection" {
			t.Errorf("reported %q", w.waits)
		}
	})
}

// TestLittleIsLostAfterAnOutage checks how long after the end of an outage the next try is.
func TestLittleIsLostAfterAnOutage(t *testing.T) {
	t.Parallel()
	lengths := []time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute}
	for _, outage := range slices.Repeat(lengths, 10) { // pauses are partly random
		synctest.Test(t, func(t *testing.T) {
			policy := &transfer.Policy{Timeout: time.Hour}
			r := policy.Start(&progressLog{})
			r.Progress()
			tries, started := 0, time.Now()
			if err := r.Do(t.Context(), func(context.Context) error {
				if tries++; time.Since(started) < outage {
					return errUnreachable
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			lost, most := time.Since(started)-outage, max(outage/8, time.Second)
			if lost > min(most, 15*time.Second) {
				t.Errorf("%s after an outage of %s", lost, outage)
			}
			if tries > 100 {
				t.Errorf("%d tries in %s", tries, outage)
			}
		})
	}
}

func TestRetryTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := func(context.Context) error { return errUnreachable }
		policy := &transfer.Policy{Timeout: time.Hour}
		started := time.Now()
		err := policy.Start(&progressLog{}).Do(t.Context(), fail)
		if took := time.Since(started); !errors.Is(err, errUnreachable) || took != 5*time.Second {
			t.Errorf("a server that was never reached: %v after %s", err, took)
		}
		policy.Start(&progressLog{}).Responded()
		started = time.Now()
		err = policy.Start(&progressLog{}).Do(t.Context(), fail)
		known := sx.AsError(err)
		if known.Code != sx.CodeTimedOut || !strings.Contains(known.Message, "no connection") || !strings.Contains(known.Hint, "same command") {
			t.Errorf("a server that became unreachable: %+v", known)
		}
		if took := time.Since(started); took != time.Hour {
			t.Errorf("a server that became unreachable: gave up after %s", took)
		}
	})
}

func TestDoEndsAtOnce(t *testing.T) {
	t.Parallel()
	policy := &transfer.Policy{Timeout: time.Hour, FirstPause: time.Millisecond}
	refused := sx.NewError(sx.CodeNotMedia, "x")
	if err := policy.Start(&progressLog{}).Do(t.Context(), func(context.Context) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := policy.Start(&progressLog{}).Do(ctx, func(context.Context) error {
		cancel()
		return errUnreachable
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	tries := 0
	if err := policy.Start(&progressLog{}).Do(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return errUnreachable
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestCancelledInAPause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := (&transfer.Policy{Timeout: time.Hour}).Start(waiter(cancel))
	if err := r.Pause(ctx, errUnreachable); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type waiter func()

func (w waiter) Wait(string, time.Time) { w() }

func TestWrap(t *testing.T) {
	t.Parallel()
	err := transfer.Wrap("a.mp4", fmt.Errorf("x: %w", sx.NewError(sx.CodeNoAudio, "no sound")))
	if known := sx.AsError(err); known.Message != "a.mp4: no sound" || known.Code != sx.CodeNoAudio || known.Hint == "" {
		t.Errorf("got %+v", known)
	}
	var unreachable *client.Unreachable
	if err := transfer.Wrap("a.mp4", errUnreachable); !errors.As(err, &unreachable) || !strings.HasPrefix(err.Error(), "a.mp4: ") {
		t.Errorf("got %v", err)
	}
	if err := transfer.Wrap("a.mp4", context.Canceled); err != context.Canceled { //nolint:errorlint // unchanged
		t.Errorf("got %v", err)
	}
}

func TestForeignResponses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		foreign := client.ErrForeign.WithMessage("a hotel")
		policy := &transfer.Policy{Timeout: time.Hour}
		started := time.Now()
		if err := policy.Start(&progressLog{}).Pause(t.Context(), foreign); !errors.Is(err, client.ErrForeign) || time.Since(started) != 0 {
			t.Errorf("before the server has responded: %v after %s", err, time.Since(started))
		}
		r := policy.Start(&progressLog{})
		r.Responded()
		if err := r.Pause(t.Context(), foreign); err != nil || time.Since(started) == 0 {
			t.Errorf("after the server has responded: %v after %s", err, time.Since(started))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ask := func(wait time.Duration) error {
			return sx.NewError(sx.CodeTooManyAttempts, "x").WithCause(&client.ResponseError{RetryAfter: wait})
		}
		r := (&transfer.Policy{Timeout: time.Minute}).Start(&progressLog{})
		started := time.Now()
		if err := r.Pause(t.Context(), ask(40*time.Second)); err != nil || time.Since(started) != 40*time.Second {
			t.Errorf("paused %s: %v", time.Since(started), err)
		}
		err := r.Pause(t.Context(), ask(40*time.Second)) // the timeout is sooner
		if sx.CodeOf(err) != sx.CodeTooManyAttempts || !strings.Contains(sx.AsError(err).Hint, "wait 40s") || time.Since(started) != 40*time.Second {
			t.Errorf("got %v after %s", err, time.Since(started))
		}
	})
}
