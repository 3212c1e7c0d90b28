package converter

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// retryDelay is how long the dispatcher waits after an error of the store or the bus.
const retryDelay = time.Second

// dispatch opens conversions until ctx ends, and returns when the last one has
// ended. It receives a message only while any job may be opened, so that messages
// remain for converters that have room. While there is only room for new owners, it
// looks for their jobs in the store.
func (s *Service) dispatch(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		var c claimed
		var err error
		switch s.open.room() {
		case roomForNobody:
			s.open.waitForEnd(ctx, 0)
			continue
		case roomForNewOwners:
			c, err = s.claimNext(ctx, s.open.precedence()[0])
			if err == nil && c.job.ID == "" {
				s.open.waitForEnd(ctx, s.PollInterval)
				continue
			}
		case roomForAll:
			c, err = s.receive(ctx)
		}
		switch {
		case err == nil && c.job.ID != "":
			s.open.add(c.job.Owner)
			group.Go(func() {
				defer s.open.remove(c.job.Owner)
				s.attempt(ctx, c.job, c.expiry)
			})
		case err != nil && ctx.Err() == nil:
			s.Log.WarnContext(ctx, "no job claimed; retrying", "error", err)
			_ = backoff.Sleep(ctx, retryDelay)
		}
	}
}

// claimed is a job that this converter has claimed; the zero value is none.
type claimed struct {
	job    sx.Job
	expiry time.Time // the lease is held at least until then
}

// receive waits for a message and claims a job. The message says that a job waits,
// and names it, but another one may take precedence. So each message stands for one
// waiting job, whichever it is.
func (s *Service) receive(ctx context.Context) (claimed, error) {
	d, err := s.Bus.Receive(ctx, bus.Convert)
	if err != nil {
		return claimed{}, err
	}
	id := d.Message().JobID
	c, err := s.claimFairest(ctx, id)
	if err != nil {
		s.Log.WarnContext(ctx, "claim failed; retrying", "job", id, "error", err)
		_ = backoff.Sleep(ctx, retryDelay)
		if err := d.Nack(context.WithoutCancel(ctx)); err != nil {
			s.Log.WarnContext(ctx, "nack failed; the reconciler will publish again", "job", id, "error", err)
		}
		return claimed{}, nil
	}
	// The stored claim replaces the message. Holding it for hours would only make
	// the broker consider this consumer dead.
	if err := d.Ack(context.WithoutCancel(ctx)); err != nil {
		s.Log.WarnContext(ctx, "ack failed; the message will be redelivered", "job", id, "error", err)
	}
	if c.job.ID != id {
		s.Log.DebugContext(ctx, "message for a job that is not due, or has to wait", "job", id, "claimed", c.job.ID)
	}
	return c, nil
}

// claimFairest claims a waiting job of an owner with the fewest conversions open
// here: the named job if it is one of these, otherwise the oldest.
func (s *Service) claimFairest(ctx context.Context, id string) (claimed, error) {
	named, err := s.Updater.Jobs.Get(ctx, id)
	if err != nil && !jobs.IsStale(err) {
		return claimed{}, err
	}
	waits := err == nil && named.Claimable(s.Now())
	for _, others := range s.open.precedence() {
		if waits && !slices.Contains(others, named.Owner) {
			c, err := s.claim(ctx, id)
			if !jobs.IsStale(err) {
				return c, err
			}
			waits = false // another converter was faster
		}
		if c, err := s.claimNext(ctx, others); err != nil || c.job.ID != "" {
			return c, err
		}
	}
	return claimed{}, nil
}

// claimNext claims the oldest waiting job of the other owners, if there is one.
func (s *Service) claimNext(ctx context.Context, others []string) (claimed, error) {
	for {
		id, err := s.Updater.Jobs.NextQueued(ctx, s.Now(), others)
		if err != nil || id == "" {
			return claimed{}, err
		}
		c, err := s.claim(ctx, id)
		if !jobs.IsStale(err) { // otherwise, another converter was faster
			return c, err
		}
	}
}

// claim is not cancelled with ctx: a claim of unknown outcome would block the job
// until its lease expires.
func (s *Service) claim(ctx context.Context, id string) (claimed, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	start := s.Now()
	job, err := s.Updater.Update(ctx, id, func(j *sx.Job) error { return j.Claim(s.worker, s.Lease, s.Now()) })
	if err != nil {
		return claimed{}, err
	}
	return claimed{job, start.Add(s.Lease)}, nil
}
