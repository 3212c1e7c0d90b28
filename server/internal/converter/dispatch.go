package converter

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// retryDelay is how long the dispatcher waits after an error of the store or the bus.
const retryDelay = time.Second

// dispatch opens conversions until ctx ends, and returns when the last one has ended: see
// Config.Drain. It receives a message only while it may open any job, so that messages
// remain for converters with free slots. While only reserved slots are free, it looks in
// the store for jobs of owners who have none running.
func (s *Service) dispatch(ctx context.Context) {
	work, stop := s.draining(ctx)
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	retry := periodic.Retry{Log: s.Log, Doing: "claiming a job", Every: retryDelay}
	for ctx.Err() == nil {
		var c claimed
		var err error
		switch s.open.capacity() {
		case capacityNone:
			s.open.waitForEnd(ctx, 0)
			continue
		case capacityIdle:
			c, err = s.claimNext(ctx, true)
			if err == nil && c.job.ID == "" {
				s.open.waitForEnd(ctx, s.PollInterval)
				continue
			}
		case capacityAll:
			c, err = s.receive(ctx, &retry)
		}
		switch {
		case err == nil && c.job.ID != "":
			retry.Pause(ctx, nil)
			s.open.add()
			group.Go(func() {
				defer s.open.remove()
				s.attempt(work, c)
			})
		case err != nil:
			_ = retry.Sleep(ctx, err) // the loop checks ctx
		}
	}
}

// claimed is a job that this converter has claimed; the zero value is none.
type claimed struct {
	job    sx.Job
	expiry time.Time  // the lease is held at least until then
	from   trace.Link // the span of the message that led to the claim
}

// receive waits for a message and claims a job. Each message stands for one waiting
// job: the one whose turn it is, whichever it names.
func (s *Service) receive(ctx context.Context, retry *periodic.Retry) (claimed, error) {
	d, err := s.Bus.Receive(ctx, bus.Convert)
	if err != nil {
		return claimed{}, err
	}
	id := d.Message().JobID
	processing, span := tracing.StartProcess(ctx, d.Message().Trace, string(bus.Convert), id)
	c, err := s.claimFor(processing, id)
	c.from = trace.LinkFromContext(processing)
	tracing.End(span, err)
	if err != nil {
		_ = retry.Sleep(ctx, err)
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
	return c, nil
}

// claimFor claims the next job, or the named one if the store knows of none: after a
// crash it may not know that an owner has waiting jobs.
func (s *Service) claimFor(ctx context.Context, id string) (claimed, error) {
	if c, err := s.claimNext(ctx, false); err != nil || c.job.ID != "" {
		return c, err
	}
	c, err := s.claim(ctx, id)
	if jobs.IsStale(err) {
		return claimed{}, nil // an outdated message
	}
	return c, err
}

// One in lowTurns claims, at random, prefers jobs of low priority, so that they are converted
// even if jobs of normal priority are always waiting. A count of claims would begin again
// in each process.
const lowTurns = 8

// claimNext claims the job whose turn it is, if there is one; with idle, only of an
// owner who has no running job.
func (s *Service) claimNext(ctx context.Context, idle bool) (claimed, error) {
	turn := store.Turn{Idle: idle, LowFirst: rand.IntN(lowTurns) == 0}
	for {
		id, err := s.Updater.Jobs.NextWaiting(ctx, turn)
		if err != nil || id == "" {
			return claimed{}, err
		}
		c, err := s.claim(ctx, id)
		if jobs.IsStale(err) {
			continue // another converter was faster
		}
		return c, err
	}
}

// claim is not cancelled with ctx: a claim of unknown outcome would block the job until its
// lease expires, and cost it an attempt. If the response is lost nevertheless, claim tries
// again until it knows whose the job is.
func (s *Service) claim(ctx context.Context, id string) (claimed, error) {
	var start time.Time
	attempt := 0 // of the claim that may have been stored
	change := func(j *sx.Job) error {
		start = s.Now()
		if attempt > 0 && j.Attempt == attempt && j.Worker == s.worker {
			return j.RenewLease(attempt, s.Lease, 0, 0, start)
		}
		err := j.Claim(s.worker, s.Lease, start)
		if err == nil {
			attempt = j.Attempt
		}
		return err
	}
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	job, err := s.Updater.Update(try, id, change)
	if err != nil && !jobs.IsStale(err) && attempt > 0 {
		job, err = s.record(ctx, id, s.Log.With("job", id), change)
	}
	if err != nil {
		return claimed{}, err
	}
	return claimed{job: job, expiry: start.Add(s.Lease)}, nil
}
