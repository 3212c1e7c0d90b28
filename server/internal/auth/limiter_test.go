package auth

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := newLimiter(2, time.Minute)
	for l.reserve("victim", now) == 0 {
		continue
	}
	for i := range 3 * maxKeys {
		l.reserve(fmt.Sprint(i), now)
		if i%1000 == 0 && l.reserve("victim", now) == 0 {
			t.Fatal("a key in use was dropped to make room")
		}
	}
	if len(l.byKey) != maxKeys || l.recent.Len() != maxKeys {
		t.Fatalf("got %d keys in a list of %d, want %d", len(l.byKey), l.recent.Len(), maxKeys)
	}

	now = now.Add(time.Minute)
	l.reserve("young", now)
	l.prune(now.Add(time.Minute))
	if len(l.byKey) != 1 || l.recent.Len() != 1 {
		t.Fatalf("got %d keys, want only the one whose attempts are not all restored", len(l.byKey))
	}
	l.prune(now.Add(2 * time.Minute))
	if len(l.byKey) != 0 || l.recent.Len() != 0 {
		t.Fatalf("got %d keys, want none", len(l.byKey))
	}
}
