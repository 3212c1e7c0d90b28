package converter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// heart keeps the lease of one attempt alive and carries its progress.
type heart struct {
	service *Service
	job     sx.Job
	log     logger
	lose    context.CancelCauseFunc
	end     context.CancelFunc
	ended   chan struct{}

	mu       sync.Mutex
	progress Progress

	// Of the beating goroutine, until ended is closed.
	lease  time.Time // certainly ours until then
	beaten time.Time // the last beat that was stored
	told   Progress  // with that beat
}

// startHeart beats until stop is called or ctx ends. It calls lose with errLost
// when the job is no longer ours. The lease is what the claim was stored with,
// counted from before it was.
func (s *Service) startHeart(ctx context.Context, lose context.CancelCauseFunc, job sx.Job, lease time.Time, log logger) *heart {
	ctx, end := context.WithCancel(ctx)
	h := &heart{
		service: s, job: job, log: log, lose: lose, end: end, ended: make(chan struct{}),
		lease: lease, beaten: s.Now(),
	}
	go func() {
		defer close(h.ended)
		h.run(ctx)
	}()
	return h
}

// report takes the newest progress.
func (h *heart) report(p Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress = p
}

func (h *heart) newest() Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.progress
}

// stop ends the beating and gives the time until which the lease holds.
func (h *heart) stop() time.Time {
	h.end()
	<-h.ended
	return h.lease
}

func (h *heart) run(ctx context.Context) {
	tick := time.NewTicker(h.service.Report)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, now := h.newest(), h.service.Now()
		if p == h.told && now.Sub(h.beaten) < h.service.Beat {
			continue
		}
		if !h.beat(ctx, p, now) {
			h.lose(errLost)
			return
		}
	}
}

// beat renews the lease. It reports false when the job is certainly not ours
// any more; a store that is away may come back before the lease has run out.
func (h *heart) beat(ctx context.Context, p Progress, now time.Time) bool {
	// A store that hangs must not hang this attempt past its lease.
	limit := min(h.service.Beat, max(h.lease.Sub(now), time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := h.service.Updater.Update(ctx, h.job.ID, func(j *sx.Job) error {
		return j.RenewLease(h.job.Attempt, h.service.Lease, p.Percent, p.Remaining, h.service.Now())
	})
	switch {
	case err == nil:
		h.lease, h.beaten, h.told = now.Add(h.service.Lease), now, p
		return true
	case settled(err):
		return false
	case errors.Is(ctx.Err(), context.Canceled): // not our own time limit: the attempt has ended
		return true
	}
	h.log.WarnContext(ctx, "lease not renewed", "until", h.lease, "error", err)
	return h.service.Now().Before(h.lease)
}
