package converter

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// watchLeases expires the leases of converters that have stopped renewing them,
// in this and in all other processes, until ctx ends.
func (s *Service) watchLeases(ctx context.Context) {
	observed := map[string]observedLease{}
	for {
		if err := s.expireLeases(ctx, observed); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "leases not checked; retrying in the next round", "error", err)
		}
		if backoff.Sleep(ctx, s.ReconcileInterval) != nil {
			return
		}
	}
}

// observedLease is a lease with the time at which this process first saw it.
type observedLease struct {
	attempt int
	expiry  time.Time
	since   time.Time
}

// expireLeases checks the leases of all running jobs once. A lease counts as
// expired only if this process has also seen it unchanged for the length of a
// lease, because the clocks of two machines may differ by more than that.
func (s *Service) expireLeases(ctx context.Context, observed map[string]observedLease) error {
	list, err := s.Updater.Jobs.Unsettled(ctx)
	if err != nil {
		return err
	}
	now := s.Now()
	running := map[string]bool{}
	for _, j := range list {
		if j.State != sx.StateRunning {
			continue
		}
		running[j.ID] = true
		lease, ok := observed[j.ID]
		if !ok || lease.attempt != j.Attempt || !lease.expiry.Equal(j.Lease) {
			observed[j.ID] = observedLease{j.Attempt, j.Lease, now}
			continue
		}
		if now.Before(j.Lease) || now.Sub(lease.since) < s.Lease {
			continue
		}
		if err := s.expireLease(ctx, j.ID, lease); err != nil {
			return err
		}
	}
	for id := range observed {
		if !running[id] {
			delete(observed, id)
		}
	}
	return nil
}

var errRenewed = errors.New("the lease was renewed")

func (s *Service) expireLease(ctx context.Context, id string, lease observedLease) error {
	_, err := s.Updater.Update(ctx, id, func(j *sx.Job) error {
		if j.Attempt != lease.attempt || !j.Lease.Equal(lease.expiry) {
			return errRenewed
		}
		return j.ExpireLease(s.Now())
	})
	switch {
	case err == nil:
		s.Log.WarnContext(ctx, "lease expired", "job", id, "attempt", lease.attempt)
		return nil
	case errors.Is(err, errRenewed), jobs.IsStale(err):
		return nil
	default:
		return err
	}
}
