package converter

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/sx"
)

// dueJobs is how many jobs are read at a time.
const dueJobs = 256

// watchJobs expires the leases of converters that have stopped renewing them, in this
// and in all other processes, and ends pauses, until ctx ends. Every converter does so:
// only due jobs are read, and the first converter to change a job makes it no longer due.
func (s *Service) watchJobs(ctx context.Context) {
	observed := map[string]observedLease{}
	last := s.Now()
	retry := periodic.Retry{Log: s.Log, Doing: "checking jobs", Every: s.ReconcileInterval}
	for {
		// While the store cannot be reached, or only slowly, no converter can renew a lease
		// or record how an attempt ended. They get the length of a lease for it afterwards.
		now := s.Now()
		if now.Sub(last) > s.Lease/2+s.ReconcileInterval {
			clear(observed)
		}
		last = now
		err := s.expireLeases(ctx, observed)
		if err == nil {
			err = s.resumeJobs(ctx)
		}
		if err != nil {
			clear(observed)
		}
		if retry.Sleep(ctx, err) != nil {
			return
		}
	}
}

// resumeJobs ends the pauses that are over.
func (s *Service) resumeJobs(ctx context.Context) error {
	list, err := s.Updater.Jobs.Due(ctx, sx.ActionResume, s.Now(), dueJobs)
	if err != nil {
		return err
	}
	for _, j := range list {
		_, err := s.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.Resume(s.Now()) })
		if err != nil && !jobs.IsStale(err) {
			return err
		}
	}
	return nil
}

// observedLease is a lease with the time at which this process first saw it.
type observedLease struct {
	attempt int
	expiry  time.Time
	since   time.Time
}

// expireLeases checks once the leases of which a renewal is overdue: that have less than
// half their length left. A lease counts as expired only if this process has also seen
// it unchanged for the length of a lease, because the clocks of two machines may differ
// by more than that.
func (s *Service) expireLeases(ctx context.Context, observed map[string]observedLease) error {
	now := s.Now()
	list, err := s.Updater.Jobs.Due(ctx, sx.ActionLease, now.Add(s.Lease/2), dueJobs)
	if err != nil {
		return err
	}
	overdue := map[string]bool{}
	for _, j := range list {
		overdue[j.ID] = true
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
		if !overdue[id] {
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
