// Package testkit has what the tests of all modules share and what needs nothing
// but the standard library: bounded waits, a clock to set, a log to read, and what
// to do where a program is missing. Its subpackages start RabbitMQ, MongoDB and
// whole stacks.
package testkit

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Timeout bounds the wait for something that has to happen. It is long enough for
// a busy machine: only a test that fails waits that long.
const Timeout = 30 * time.Second

const pollInterval = 5 * time.Millisecond

// Eventually waits until cond is true, where there is no event to wait for. After
// Timeout the test fails, naming what it waited for and the last of what state
// returns, if given.
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

// Bearer is a transport that signs requests in with an access token; "" sends none.
type Bearer string

// RoundTrip sends the request with the token.
func (b Bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if b != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(req)
}
