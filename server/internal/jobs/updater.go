// Package jobs changes job documents and publishes the wake-up messages that a change calls
// for. Gateway, converter and notifier all use it, so that a change of the document, which
// is authoritative, and its messages stay together.
package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// Updater stores changes of jobs and publishes their wake-up messages.
type Updater struct {
	Jobs store.Jobs
	Bus  bus.Bus
	Log  *slog.Logger
	Now  func() time.Time
	// Metrics counts the jobs that end; nil counts nothing.
	Metrics *Metrics
}

// publishTimeout bounds how long an update waits for the broker. The change is
// stored by then, and the Reconciler publishes again.
const publishTimeout = 5 * time.Second

// Update changes the job as store.Update does, so fn may be called several times
// and an error of fn is returned as it is, with the job unchanged. Then Update
// publishes: to the convert queue if the job began to wait for a converter, to the notify queue
// if its owner must be notified, and an announcement to every listener.
func (u *Updater) Update(ctx context.Context, id string, fn func(*sx.Job) error) (sx.Job, error) {
	var before sx.Job
	after, err := store.Update(ctx, id, u.Jobs.Get, u.Jobs.Replace, func(j *sx.Job) error {
		before = *j
		if err := fn(j); err != nil {
			return err
		}
		if !j.Queued.Equal(before.Queued) {
			j.Trace = tracing.Parent(ctx)
		}
		return nil
	})
	if err != nil {
		return after, err
	}
	after.Rev++
	u.Metrics.observe(before, after)
	u.publishFor(ctx, before, after)
	return after, nil
}

// Created publishes the messages for a job that was just stored.
func (u *Updater) Created(ctx context.Context, j sx.Job) { u.publishFor(ctx, sx.Job{}, j) }

func (u *Updater) publishFor(ctx context.Context, before, after sx.Job) {
	// The change is stored, so its messages are sent even if the caller has
	// gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if after.Waiting() && !before.Waiting() {
		u.Publish(ctx, bus.Convert, after.ID)
	}
	if after.Notification == sx.NotificationPending && before.Notification != sx.NotificationPending {
		u.Publish(ctx, bus.Notify, after.ID)
	}
	if err := u.Bus.Announce(ctx, after.ID); err != nil {
		u.Log.DebugContext(ctx, "announcing a job failed", "job", after.ID, "error", err)
	}
}

// Publish sends a wake-up message. A failure is only logged, because the
// Reconciler publishes again.
func (u *Updater) Publish(ctx context.Context, q bus.Queue, id string) {
	ctx, span := tracing.StartSend(ctx, string(q), id)
	err := u.Bus.Publish(ctx, q, bus.Message{JobID: id, Trace: tracing.Parent(ctx)})
	tracing.End(span, err)
	if err != nil {
		u.Log.WarnContext(ctx, "publishing a wake-up message failed; the reconciler will retry", "queue", string(q), "job", id, "error", err)
	}
}

// Postpone stores when the job is checked next, unless it has changed since it was read.
// This change is not announced.
func (u *Updater) Postpone(ctx context.Context, j sx.Job, until time.Time) error {
	j.Check = until
	if err := u.Jobs.Replace(ctx, j); err != nil && !IsStale(err) {
		return err
	}
	return nil
}

// IsStale reports whether an update was refused because the job has moved on:
// it is in another state, belongs to another attempt, or was removed. The update
// is then no longer needed.
func IsStale(err error) bool {
	code := sx.CodeOf(err) // "" for nil
	return code == sx.CodeConflict || code == sx.CodeNotFound
}
