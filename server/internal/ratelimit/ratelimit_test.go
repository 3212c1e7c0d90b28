package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := New(2, time.Minute)
	for l.Reserve("victim", now) == 0 {
		continue
	}
	for i := range 3 * maxKeys {
		l.Reserve(fmt.Sprint(i), now)
		if i%1000 == 0 && l.Reserve("victim", now) == 0 {
			t.Fatal("a key in use was dropped to make room")
		}
	}
	if len(l.byKey) != maxKeys || l.recent.Len() != maxKeys {
		t.Fatalf("got %d keys in a list of %d, want %d", len(l.byKey), l.recent.Len(), maxKeys)
	}

	now = now.Add(time.Minute)
	l.Reserve("young", now)
	l.Prune(now.Add(time.Minute))
	if len(l.byKey) != 1 || l.recent.Len() != 1 {
		t.Fatalf("got %d keys, want only the one whose attempts are not all restored", len(l.byKey))
	}
	l.Prune(now.Add(2 * time.Minute))
	if len(l.byKey) != 0 || l.recent.Len() != 0 {
		t.Fatalf("got %d keys, want none", len(l.byKey))
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := New(2, time.Minute)
	for i, want := range []time.Duration{0, 0, time.Minute, time.Minute} {
		if got := l.Reserve("a", now); got != want {
			t.Errorf("attempt %d: got %v, want %v", i+1, got, want)
		}
	}
	if got := l.Reserve("a", now.Add(45*time.Second)); got != 15*time.Second {
		t.Errorf("got %v, want 15s", got)
	}
	if got := l.Reserve("b", now); got != 0 {
		t.Errorf("another key waits %v", got)
	}
}

func TestPendingAttempts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := New(2, time.Minute)
	begin := func(want time.Duration) <-chan struct{} {
		t.Helper()
		wait, ended := l.Begin("a", now)
		if wait != want {
			t.Fatalf("got %v, want %v", wait, want)
		}
		return ended
	}
	begin(0)
	begin(0)
	ended := begin(time.Minute)
	select {
	case <-ended:
		t.Fatal("none has ended")
	default:
	}
	if wait, _ := l.Begin("b", now); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
	l.End("a", now, false) // leaves its attempt
	<-ended
	begin(0)
	l.End("a", now, true)
	l.End("a", now, true)
	if ended := begin(time.Minute); ended != nil {
		t.Error("no attempt is pending, but one is awaited")
	}
	// A late result that does not count leaves nothing that time has restored already.
	now = now.Add(time.Hour)
	begin(0)
	now = now.Add(time.Hour)
	begin(0)
	l.End("a", now, false)
	l.End("a", now, true)
	begin(0)
	begin(time.Minute)
}
