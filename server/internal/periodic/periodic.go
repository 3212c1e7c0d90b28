// Package periodic runs tasks that go through all data, a page in each round, one round
// at a time in all processes. The position of the next round is stored, so that any
// process can continue, even after a crash.
package periodic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Task is a periodic task.
type Task struct {
	Name  string
	Store store.Tasks
	Log   *slog.Logger
	Now   func() time.Time
	// Pace is the least time between two rounds, Pass that between the end of one pass
	// over all data and the beginning of the next.
	Pace, Pass time.Duration
	// Round handles the page at the cursor, "" for the first one, and returns the cursor
	// of the next page, "" after the last one. If it returns an error, the page is tried
	// again after a pause; see Retry. Two processes may run it at the same time if their
	// clocks differ by more than roundTimeout, so it must be harmless to repeat.
	Round func(ctx context.Context, cursor string) (next string, err error)
}

// roundTimeout is how long a round may take. Another process takes over from one that
// has not ended by then.
const roundTimeout = time.Minute

// Run runs rounds until ctx ends.
func (t *Task) Run(ctx context.Context) {
	holder := sx.NewID()
	retry := Retry{Log: t.Log.With("task", t.Name), Doing: "periodic task", Every: t.Pace}
	for retry.Sleep(ctx, t.round(ctx, holder)) == nil {
	}
}

// round runs a round if one is due and no other process runs it.
func (t *Task) round(ctx context.Context, holder string) error {
	state, err := t.Store.Get(ctx, t.Name)
	if err != nil {
		return err
	}
	now := t.Now()
	if store.Ahead(now, state.Next, max(t.Pace, t.Pass)) || store.Ahead(now, state.Until, roundTimeout) {
		return nil
	}
	state.Holder, state.Until = holder, now.Add(roundTimeout)
	if err := t.Store.Replace(ctx, state); err != nil {
		return unlessStale(err)
	}
	state.Rev++

	bounded, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	next, err := t.Round(bounded, state.Cursor)
	pause := t.Pace
	if err == nil {
		if state.Cursor = next; next == "" {
			pause = t.Pass
		}
	}
	state.Holder, state.Until, state.Next = "", time.Time{}, t.Now().Add(pause)
	// Even if ctx has ended, this process must not keep others waiting.
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer stop()
	return errors.Join(err, unlessStale(t.Store.Replace(ending, state)))
}

// endTimeout bounds the storing of a round's result.
const endTimeout = 5 * time.Second

// unlessStale returns nil if another process has taken over.
func unlessStale(err error) error {
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}
