package testkit

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// RepeatFailure returns tb, whose first failure is repeated as its last lines: a test of
// many programs logs so much after a failure that the reason is hard to find. Only what
// is reported through the result is repeated.
func RepeatFailure(tb testing.TB) testing.TB {
	tb.Helper()
	r := &repeater{TB: tb}
	tb.Cleanup(func() { // the first one, so it runs last
		if text := r.failure(); text != "" {
			tb.Logf("the first failure of %s:\n%s", tb.Name(), text)
		}
	})
	return r
}

type repeater struct {
	testing.TB

	mu    sync.Mutex
	first string
}

func (r *repeater) failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

func (r *repeater) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == "" {
		r.first = strings.TrimSpace(text)
	}
}

func (r *repeater) Error(args ...any) {
	r.Helper()
	r.note(fmt.Sprintln(args...))
	r.TB.Error(args...)
}

func (r *repeater) Errorf(format string, args ...any) {
	r.Helper()
	r.note(fmt.Sprintf(format, args...))
	r.TB.Errorf(format, args...)
}

func (r *repeater) Fatal(args ...any) {
	r.Helper()
	r.note(fmt.Sprintln(args...))
	r.TB.Fatal(args...)
}

func (r *repeater) Fatalf(format string, args ...any) {
	r.Helper()
	r.note(fmt.Sprintf(format, args...))
	r.TB.Fatalf(format, args...)
}
