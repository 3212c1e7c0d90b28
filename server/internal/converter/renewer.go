package converter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// leaseRenewer renews the lease of one attempt and stores its progress.
type leaseRenewer struct {
	service *Service
	job     sx.Job
	log     *slog.Logger
	abort   context.CancelCauseFunc
	cancel  context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	progress Progress

	// Owned by the renewing goroutine.
	expiry  time.Time // the lease is held at least until then
	renewed time.Time // the last renewal that was stored
	stored  Progress  // with that renewal
}

// startRenewing renews the lease until stop is called or ctx ends. It calls abort
// with errLeaseLost once the lease is lost. expiry is that of the claim, counted
// from before the claim was stored.
func (s *Service) startRenewing(ctx context.Context, abort context.CancelCauseFunc, job sx.Job, expiry time.Time, log *slog.Logger) *leaseRenewer {
	ctx, cancel := context.WithCancel(ctx)
	r := &leaseRenewer{
		service: s, job: job, log: log, abort: abort, cancel: cancel, done: make(chan struct{}),
		expiry: expiry, renewed: s.Now(),
	}
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return r
}

// setProgress sets the progress that the next renewal stores.
func (r *leaseRenewer) setProgress(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = p
}

func (r *leaseRenewer) currentProgress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// stop ends the renewals.
func (r *leaseRenewer) stop() {
	r.cancel()
	<-r.done
}

func (r *leaseRenewer) run(ctx context.Context) {
	tick := time.NewTicker(r.service.ProgressInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, now := r.currentProgress(), r.service.Now()
		if p == r.stored && now.Sub(r.renewed) < r.service.RenewInterval {
			continue
		}
		if !r.renew(ctx, p, now) {
			r.abort(errLeaseLost)
			return
		}
	}
}

// renew stores one renewal. It returns false once the lease is certainly lost;
// an unavailable store may recover before the lease expires.
func (r *leaseRenewer) renew(ctx context.Context, p Progress, now time.Time) bool {
	// A hanging store must not keep this attempt running past its lease.
	timeout := min(r.service.RenewInterval, max(r.expiry.Sub(now), time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := r.service.Updater.Update(ctx, r.job.ID, func(j *sx.Job) error {
		return j.RenewLease(r.job.Attempt, r.service.Lease, p.Percent, p.Remaining, r.service.Now())
	})
	switch {
	case err == nil:
		r.expiry, r.renewed, r.stored = now.Add(r.service.Lease), now, p
		return true
	case jobs.IsStale(err):
		return false
	case errors.Is(ctx.Err(), context.Canceled): // not the timeout above: the attempt has ended
		return true
	}
	r.log.WarnContext(ctx, "lease not renewed; retrying", "expires", r.expiry, "error", err)
	return r.service.Now().Before(r.expiry)
}
