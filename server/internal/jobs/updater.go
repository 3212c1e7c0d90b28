// Package jobs changes job documents and rings the doorbells that a change
// calls for. Gateway, converter and notifier all go through it, so that there
// is one place where truth (the document) and message are joined.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Ledger is the jobs with their doorbells.
type Ledger struct {
	Jobs store.Jobs
	Bus  bus.Bus
	Log  *slog.Logger
	Now  func() time.Time
}

// ringTimeout bounds how long a change waits for the broker. The change itself
// is stored by then, and a reconciler rings again.
const ringTimeout = 5 * time.Second

// Change reads the job, lets fn change it, and stores it by compare-and-set;
// when someone else was faster it does so again, so fn may be called several
// times. An error of fn is returned as it is and nothing is stored. Then it
// rings: the convert queue for a job that became queued, the notify queue for
// one whose owner is to be told, and every listener.
func (l *Ledger) Change(ctx context.Context, id string, fn func(*sx.Job) error) (sx.Job, error) {
	for {
		before, err := l.Jobs.Get(ctx, id)
		if err != nil {
			return sx.Job{}, err
		}
		after := before
		if err := fn(&after); err != nil {
			return before, err
		}
		switch err := l.Jobs.Replace(ctx, after); {
		case err == nil:
			after.Rev++
			l.ring(ctx, before, after)
			return after, nil
		case !errors.Is(err, store.ErrStale):
			return before, err
		}
		if err := ctx.Err(); err != nil {
			return before, err
		}
	}
}

// Created announces a job that was just stored.
func (l *Ledger) Created(ctx context.Context, j sx.Job) { l.ring(ctx, sx.Job{}, j) }

func (l *Ledger) ring(ctx context.Context, before, after sx.Job) {
	// The change is stored: its doorbell is rung even if the caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ringTimeout)
	defer cancel()
	// A job with a pause before it is rung by the reconciler when it is due.
	if after.State == sx.StateQueued && before.State != sx.StateQueued && after.NotBefore.IsZero() {
		l.Ring(ctx, bus.Convert, after.ID)
	}
	if after.Notification == sx.NotificationPending && before.Notification != sx.NotificationPending {
		l.Ring(ctx, bus.Notify, after.ID)
	}
	if err := l.Bus.Announce(ctx, after.ID); err != nil {
		l.Log.DebugContext(ctx, "announce failed", "job", after.ID, "error", err)
	}
}

// Ring publishes a doorbell. A failure is only logged: a reconciler rings again.
func (l *Ledger) Ring(ctx context.Context, q bus.Queue, id string) {
	if err := l.Bus.Publish(ctx, q, bus.Message{JobID: id}); err != nil {
		l.Log.WarnContext(ctx, "doorbell not rung, the reconciler will", "queue", string(q), "job", id, "error", err)
	}
}
