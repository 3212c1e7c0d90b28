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
// ended. It receives a message only while it may open any job, so that messages
// remain for converters with free slots. While only reserved slots are free, it looks
// for jobs of new owners in the store.
func (s *Service) dispatch(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		var c claimed
		var err error
		switch s.open.capacity() {
		case capacityNone:
			s.open.waitForEnd(ctx, 0)
			continue
		case capacityNewOwners:
			c, err = s.claimNext(ctx, s.open.excluded()[0])
			if err == nil && c.job.ID == "" {
				s.open.waitForEnd(ctx, s.PollInterval)
				continue
			}
		case capacityAll:
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

// receive waits for a message and claims a job. Each message stands for one queued
// job: the one that it names, or another one that takes precedence.
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
		s.Log.DebugContext(ctx, "message for a job that is not due, or that another one precedes", "job", id, "claimed", c.job.ID)
	}
	return c, nil
}

// claimFairest claims a queued job of an owner with the fewest conversions open here:
// the named job if it is one of these, otherwise the oldest.
func (s *Service) claimFairest(ctx context.Context, id string) (claimed, error) {
	named, err := s.Updater.Jobs.Get(ctx, id)
	if err != nil && !jobs.IsStale(err) {
		return claimed{}, err
	}
	claimable := err == nil && named.Claimable(s.Now())
	for _, excluded := range s.open.excluded() {
		if claimable && !slices.Contains(excluded, named.Owner) {
			c, err := s.claim(ctx, id)
			if !jobs.IsStale(err) {
				return c, err
			}
			claimable = false // another converter was faster
		}
		if c, err := s.claimNext(ctx, excluded); err != nil || c.job.ID != "" {
			return c, err
		}
	}
	return claimed{}, nil
}

// claimNext claims the oldest queued job of an owner who is not excluded, if there is
// one.
func (s *Service) claimNext(ctx context.Context, excluded []string) (claimed, error) {
	for {
		id, err := s.Updater.Jobs.NextQueued(ctx, s.Now(), excluded)
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
