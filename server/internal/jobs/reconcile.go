package jobs

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// Reconciler replaces lost wake-up messages: it publishes again for jobs that
// wait although the queue holds no message for them.
type Reconciler struct {
	Updater *Updater
	Queue   bus.Queue
	// Due reports whether the job is waiting for this queue's receivers at now.
	Due func(j sx.Job, now time.Time) bool
	// Every is the time between two rounds.
	Every time.Duration
}

// quiet is how long a job must have been unchanged before its message is
// published again: a younger message is probably still on its way.
const quiet = 2 * time.Second

// Run runs a round immediately and then one every r.Every, until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	published := map[string]time.Time{}
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for {
		if err := r.round(ctx, published); err != nil && ctx.Err() == nil {
			r.Updater.Log.WarnContext(ctx, "reconciling failed; the next round will retry", "queue", string(r.Queue), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round publishes for the jobs that are due. published holds the time of the
// last message for each job.
func (r *Reconciler) round(ctx context.Context, published map[string]time.Time) error {
	list, err := r.Updater.Jobs.Unsettled(ctx)
	if err != nil {
		return err
	}
	depth, err := r.Updater.Bus.Depth(ctx, r.Queue)
	if err != nil {
		return err
	}
	now := r.Updater.Now()
	due := map[string]bool{}
	for _, j := range list {
		if r.Due(j, now) {
			due[j.ID] = true
		}
	}
	for id := range published {
		if !due[id] {
			delete(published, id)
		}
	}
	// With at least as many messages as waiting jobs, none was lost.
	if depth.Ready >= len(due) {
		return nil
	}
	for _, j := range list {
		if due[j.ID] && now.Sub(j.Updated) >= quiet && now.Sub(published[j.ID]) >= r.Every {
			published[j.ID] = now
			r.Updater.Publish(ctx, r.Queue, j.ID)
		}
	}
	return nil
}
