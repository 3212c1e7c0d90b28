// Package testkit contains the helpers that the tests of all modules share and
// that need only the standard library: bounded waits, a settable clock, a log
// buffer, and skipping tests whose programs are missing. Its subpackages start
// RabbitMQ, MongoDB and whole stacks.
package testkit

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Timeout bounds the wait for something that must happen. It is long enough for
// a busy machine; only a failing test waits that long.
const Timeout = time.Minute

const pollInterval = 5 * time.Millisecond

// Eventually polls until cond returns true. After Timeout, the test fails with
// what it waited for and the last result of state, if given.
func Eventually(tb testing.TB, what string, cond func() bool, state ...func() any) {
	tb.Helper()
	EventuallyWithin(tb, Timeout, what, cond, state...)
}

// EventuallyWithin is Eventually with another timeout.
func EventuallyWithin(tb testing.TB, timeout time.Duration, what string, cond func() bool, state ...func() any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			var last string
			for _, s := range state {
				last += fmt.Sprintf("; last seen: %+v", s())
			}
			tb.Fatalf("%s: not within %v%s", what, timeout, last)
		}
	}
}
