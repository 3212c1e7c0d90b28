// Package storetest tests adapters of the storage port against its contract.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// deadline limits each test, so that one that waits forever fails.
const deadline = 2 * time.Minute

// Fresh creates an empty store and returns a function that opens it. After Close,
// it can be opened again, with the same data.
type Fresh func(t *testing.T) (open func() store.Store)

type test struct {
	name string
	run  func(f *fixture)
}

// fixture is one test and its store.
type fixture struct {
	store.Store
	t    *testing.T
	ctx  context.Context
	open func() store.Store
}

// Run runs the suite. The calling test must not be parallel, because the suite
// measures memory.
func Run(t *testing.T, fresh Fresh) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"users", userTests},
		{"sessions", sessionTests},
		{"invitations", invitationTests},
		{"bindings", bindingTests},
		{"personal tokens", tokenTests},
		{"audit", auditTests},
		{"notification settings", notificationSettingsTests},
		{"deliveries", deliveryTests},
		{"jobs", jobTests},
		{"job lists", jobListTests},
		{"backlog", backlogTests},
		{"limits", limitTests},
		{"usage", usageTests},
		{"turns", turnTests},
		{"tasks", taskTests},
		{"account limits", accountLimitTests},
		{"erasures", erasureTests},
		{"counters", counterTests},
		{"videos", videoTests},
		{"append", appendTests},
		{"fencing", fenceTests},
		{"tracks", trackTests},
		{"blobs", blobTests},
		{"conversions", conversionTests},
		{"idempotency keys", idempotencyKeyTests},
		{"feeds", feedTests},
		{"store", storeTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newFixture(t, fresh))
				})
			}
		})
	}
	t.Run("memory use does not grow with an Append", func(t *testing.T) { appendMemory(newFixture(t, fresh)) })
	t.Run("memory use does not grow with a Put", func(t *testing.T) { putMemory(newFixture(t, fresh)) })
}

func newFixture(t *testing.T, fresh Fresh) *fixture {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	f := &fixture{t: t, ctx: ctx, open: fresh(t)}
	f.Store = f.open()
	t.Cleanup(f.close)
	return f
}

func (f *fixture) close() {
	if err := f.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
}

// reopen simulates a restart of the program.
func (f *fixture) reopen() {
	f.close()
	f.Store = f.open()
}

// ok fails the test immediately if there is an error.
func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("unexpected error: %v (%v)", err, errors.Unwrap(err))
	}
}

// code checks the code of an error, and that it has a hint.
func (f *fixture) code(err error, want sx.Code) {
	f.t.Helper()
	if got := sx.CodeOf(err); got != want {
		f.t.Errorf("error is %v (code %q), want code %q", err, got, want)
	} else if sx.AsError(err).Hint == "" {
		f.t.Errorf("error %v has no hint", err)
	}
}

// stale checks that the error is ErrStale itself, not another conflict.
func (f *fixture) stale(err error) {
	f.t.Helper()
	if !errors.Is(err, store.ErrStale) {
		f.t.Errorf("error is %v, want ErrStale", err)
	}
}

var storeTests = []test{
	{"Ping succeeds with an open store", func(f *fixture) { f.ok(f.Ping(f.ctx)) }},
	{"a call whose ctx has ended fails", func(f *fixture) {
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		if _, err := f.Jobs.Get(ctx, "x"); !errors.Is(err, context.Canceled) {
			f.t.Errorf("Get returned %v, want context.Canceled", err)
		}
		if err := f.Jobs.Create(ctx, job("x", 0)); !errors.Is(err, context.Canceled) {
			f.t.Errorf("Create returned %v, want context.Canceled", err)
		}
	}},
}
