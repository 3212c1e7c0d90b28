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

func TestWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := New(2, time.Minute)
	for i, want := range []time.Duration{0, 0, time.Minute} {
		if got := l.Wait("a", now); got != want {
			t.Errorf("before attempt %d: got %v, want %v", i+1, got, want)
		}
		if got := l.Reserve("a", now); got != want {
			t.Errorf("attempt %d: got %v, want %v", i+1, got, want)
		}
	}
	if got := l.Wait("a", now.Add(45*time.Second)); got != 15*time.Second {
		t.Errorf("got %v, want 15s", got)
	}
	if got := l.Wait("b", now); got != 0 {
		t.Errorf("another key waits %v", got)
	}
}
