package transfer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type waits []string

func (w *waits) Wait(reason string, _ time.Time) { *w = append(*w, reason) }

var errAway = &client.Unreachable{Server: "h:1", Err: errors.New("connection refused")}

func TestTransient(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"no answer", errAway, true},
		{"wrapped", fmt.Errorf("x: %w", errAway), true},
		{"a stall", transfer.ErrStalled, true},
		{"not ready", sx.NewError(sx.CodeUnavailable, "x"), true},
		{"broken", sx.NewError(sx.CodeInternal, "x"), true},
		{"too often", sx.NewError(sx.CodeTooManyAttempts, "x"), true},
		{"not the server", &client.Unreachable{Err: &tls.CertificateVerificationError{Err: errors.New("x")}}, false},
		{"refused", sx.NewError(sx.CodeNotMedia, "x"), false},
		{"not signed in", sx.NewError(sx.CodeUnauthenticated, "x"), false},
		{"something else", errors.New("x"), false},
	}
	for _, tt := range tests {
		if got := transfer.Transient(tt.err); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestPausesGrowAndProgressResetsThem(t *testing.T) {
	t.Parallel()
	var w waits
	r := (&transfer.Policy{Patience: time.Minute}).Start(&w)
	pause := func() time.Duration {
		began := time.Now()
		if err := r.Pause(t.Context(), errAway); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	r.Progress()
	first, second, third := pause(), pause(), pause()
	if first < 100*time.Millisecond || second < 200*time.Millisecond || third < 400*time.Millisecond {
		t.Errorf("paused %s, %s, %s", first, second, third)
	}
	r.Progress()
	if again := pause(); again >= 400*time.Millisecond {
		t.Errorf("after progress paused %s", again)
	}
	if len(w) != 4 || w[0] != "no connection" {
		t.Errorf("told of %q", w)
	}
}

func TestEndOfPatience(t *testing.T) {
	t.Parallel()
	fail := func(context.Context) error { return errAway }
	policy := &transfer.Policy{Patience: 300 * time.Millisecond}
	err := policy.Start(&waits{}).Do(t.Context(), fail)
	if !errors.Is(err, errAway) {
		t.Errorf("a server never reached: %v", err)
	}
	policy.Start(&waits{}).Answered()
	err = policy.Start(&waits{}).Do(t.Context(), fail)
	told := sx.AsError(err)
	if told.Code != cmdutil.CodeTimedOut || !strings.Contains(told.Message, "no connection") || !strings.Contains(told.Hint, "same command") {
		t.Errorf("a server that went away: %+v", told)
	}
}

func TestDoEndsAtOnce(t *testing.T) {
	t.Parallel()
	policy := &transfer.Policy{Patience: time.Hour}
	refused := sx.NewError(sx.CodeNotMedia, "x")
	if err := policy.Start(&waits{}).Do(t.Context(), func(context.Context) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := policy.Start(&waits{}).Do(ctx, func(context.Context) error {
		cancel()
		return errAway
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	tries := 0
	if err := policy.Start(&waits{}).Do(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return errAway
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestCancelledInAPause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := (&transfer.Policy{Patience: time.Hour}).Start(waiter(cancel))
	if err := r.Pause(ctx, errAway); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type waiter func()

func (w waiter) Wait(string, time.Time) { w() }

func TestWatchdog(t *testing.T) {
	t.Parallel()
	ctx, dog := transfer.Watch(t.Context(), 100*time.Millisecond)
	defer dog.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 15 {
		<-ticker.C
		dog.Beat()
	}
	if ctx.Err() != nil {
		t.Fatal("ended although it heard something")
	}
	<-ctx.Done()
	if err := transfer.Cause(ctx, ctx.Err()); !errors.Is(err, transfer.ErrStalled) {
		t.Errorf("got %v", err)
	}
	other, dog := transfer.Watch(t.Context(), time.Hour)
	dog.Stop()
	if err := transfer.Cause(other, other.Err()); errors.Is(err, transfer.ErrStalled) || err == nil {
		t.Errorf("a stopped watch gives %v", err)
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	err := transfer.Named("a.mp4", fmt.Errorf("x: %w", sx.NewError(sx.CodeNoAudio, "no sound")))
	if told := sx.AsError(err); told.Message != "a.mp4: no sound" || told.Code != sx.CodeNoAudio || told.Hint == "" {
		t.Errorf("got %+v", told)
	}
	var away *client.Unreachable
	if err := transfer.Named("a.mp4", errAway); !errors.As(err, &away) || !strings.HasPrefix(err.Error(), "a.mp4: ") {
		t.Errorf("got %v", err)
	}
	if err := transfer.Named("a.mp4", context.Canceled); err != context.Canceled { //nolint:errorlint // unchanged
		t.Errorf("got %v", err)
	}
}
