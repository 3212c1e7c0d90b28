package jobs

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// Reconciler replaces lost wake-up messages: it publishes again for jobs that
// wait although the queue holds no message for them.
type Reconciler struct {
	Updater *Updater
	Queue   bus.Queue
	// Waiting returns at most limit jobs that wait for this queue's receivers at now.
	Waiting func(ctx context.Context, now time.Time, limit int) ([]sx.Job, error)
	// Published, if set, records that a message was published for a job, so that Waiting
	// returns others first.
	Published func(ctx context.Context, j sx.Job) error
	// Every is the time between two rounds.
	Every time.Duration
}

const (
	// quiet is how long a job must have been unchanged before its message is
	// published again: a younger message is probably still on its way.
	quiet = 2 * time.Second
	// Batch is how many waiting jobs a round reads. With as many messages in the queue,
	// there is enough work until the next round.
	Batch = 256
)

// Run runs a round immediately and then one every r.Every, until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	published := map[string]time.Time{}
	retry := periodic.Retry{Log: r.Updater.Log.With("queue", string(r.Queue)), Doing: "reconciling", Every: r.Every}
	for retry.Sleep(ctx, r.round(ctx, published)) == nil {
	}
	return nil
}

// round publishes for waiting jobs. published holds the time of the last message for
// each of the jobs that the previous round read.
func (r *Reconciler) round(ctx context.Context, published map[string]time.Time) error {
	depth, err := r.Updater.Bus.Depth(ctx, r.Queue)
	if err != nil || depth.Ready >= Batch {
		return err
	}
	now := r.Updater.Now()
	list, err := r.Waiting(ctx, now, Batch)
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for _, j := range list {
		waiting[j.ID] = true
	}
	for id := range published {
		if !waiting[id] {
			delete(published, id)
		}
	}
	// With at least as many messages as waiting jobs, none was lost.
	if depth.Ready >= len(list) {
		return nil
	}
	for _, j := range list {
		if now.Sub(j.Updated) < quiet || now.Sub(published[j.ID]) < r.Every {
			continue
		}
		published[j.ID] = now
		r.Updater.Publish(tracing.From(ctx, j.Trace), r.Queue, j.ID)
		if r.Published == nil {
			continue
		}
		if err := r.Published(ctx, j); err != nil {
			return err
		}
	}
	return nil
}
