package converter

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// watchLeases takes jobs away from converters that fell silent, in all
// processes, until ctx ends.
func (s *Service) watchLeases(ctx context.Context) {
	seen := map[string]sighting{}
	for {
		if err := s.loseSilent(ctx, seen); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "leases not checked, next round will try again", "error", err)
		}
		if !wait(ctx, s.Reconcile) {
			return
		}
	}
}

// sighting is a lease as it stood when it was first seen so.
type sighting struct {
	attempt int
	lease   time.Time
	since   time.Time
}

// loseSilent goes through the running jobs once. A lease counts as run out only
// if this process, too, has watched it for as long without a beat: the clocks
// of two machines may differ by more than a lease.
func (s *Service) loseSilent(ctx context.Context, seen map[string]sighting) error {
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
		was, ok := seen[j.ID]
		if !ok || was.attempt != j.Attempt || !was.lease.Equal(j.Lease) {
			seen[j.ID] = sighting{j.Attempt, j.Lease, now}
			continue
		}
		if now.Before(j.Lease) || now.Sub(was.since) < s.Lease {
			continue
		}
		if err := s.lose(ctx, j.ID, was); err != nil {
			return err
		}
	}
	for id := range seen {
		if !running[id] {
			delete(seen, id)
		}
	}
	return nil
}

var errBeats = errors.New("the lease was renewed")

func (s *Service) lose(ctx context.Context, id string, was sighting) error {
	_, err := s.Updater.Update(ctx, id, func(j *sx.Job) error {
		if j.Attempt != was.attempt || !j.Lease.Equal(was.lease) {
			return errBeats
		}
		return j.ExpireLease(s.Now())
	})
	switch {
	case err == nil:
		s.Log.WarnContext(ctx, "job taken from a converter that fell silent", "job", id, "attempt", was.attempt)
		return nil
	case errors.Is(err, errBeats), settled(err):
		return nil
	default:
		return err
	}
}
