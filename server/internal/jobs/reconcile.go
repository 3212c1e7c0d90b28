package jobs

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// Reconciler makes up for doorbells that got lost: it rings again for jobs that
// wait although no message is left for them.
type Reconciler struct {
	Ledger *Ledger
	Queue  bus.Queue
	// Due reports whether the job waits for this queue's receivers now.
	Due func(j sx.Job, now time.Time) bool
	// Every is the pause between two rounds.
	Every time.Duration
}

// quiet is how long a job must have been as it is before it is rung again;
// a doorbell younger than that is most likely still on its way.
const quiet = 2 * time.Second

// Run works round by round until ctx ends, the first round at once.
func (r *Reconciler) Run(ctx context.Context) error {
	rung := map[string]time.Time{}
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for {
		if err := r.round(ctx, rung); err != nil && ctx.Err() == nil {
			r.Ledger.Log.WarnContext(ctx, "reconciling failed, next round will try again", "queue", string(r.Queue), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Reconciler) round(ctx context.Context, rung map[string]time.Time) error {
	list, err := r.Ledger.Jobs.Unsettled(ctx)
	if err != nil {
		return err
	}
	depth, err := r.Ledger.Bus.Depth(ctx, r.Queue)
	if err != nil {
		return err
	}
	now := r.Ledger.Now()
	due := map[string]bool{}
	for _, j := range list {
		if r.Due(j, now) {
			due[j.ID] = true
		}
	}
	for id := range rung {
		if !due[id] {
			delete(rung, id)
		}
	}
	// As many messages as waiting jobs: each still has its doorbell.
	if depth.Ready >= len(due) {
		return nil
	}
	for _, j := range list {
		if due[j.ID] && now.Sub(j.Updated) >= quiet && now.Sub(rung[j.ID]) >= r.Every {
			rung[j.ID] = now
			r.Ledger.Ring(ctx, r.Queue, j.ID)
		}
	}
	return nil
}
