package gateway

import (
	"context"

	"github.com/soundextract/sx/server/internal/erasure"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// eraseBatch is how many jobs of an account are deleted before other accounts have their
// turn.
const eraseBatch = 50

// newErase deletes the jobs and records of accounts that are being deleted.
func (s *Service) newErase() *periodic.Task {
	return erasure.Step{
		Step: sx.EraseJobs, Erasures: s.cfg.Erasures, Tasks: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now, Erase: s.erase,
	}.Task()
}

func (s *Service) erase(ctx context.Context, e sx.Erasure) (done bool, err error) {
	list, next, err := s.cfg.Jobs.List(ctx, store.JobFilter{Owner: e.UserID, Limit: eraseBatch})
	if err != nil {
		return false, err
	}
	for _, j := range list {
		if err := s.eraseJob(ctx, j); err != nil {
			return false, err
		}
	}
	if next != nil {
		return false, nil
	}
	if err := s.cfg.Conversions.DeleteOf(ctx, e.UserID); err != nil {
		return false, err
	}
	if err := s.cfg.IdempotencyKeys.DeleteOf(ctx, e.UserID); err != nil {
		return false, err
	}
	if err := s.cfg.Feeds.Delete(ctx, e.UserID); err != nil {
		return false, err
	}
	if e.Last {
		err = s.cfg.Jobs.DeleteUsage(ctx, e.UserID)
	}
	return err == nil, err
}

// eraseJob removes a job as deleteJob does, but keeps no record of its source.
func (s *Service) eraseJob(ctx context.Context, j sx.Job) error {
	release, err := s.locks.Lock(ctx, j.ID)
	if err != nil {
		return err
	}
	defer release()
	err = s.removeAfter(ctx, j.ID, func(context.Context, sx.Job) error { return nil })
	if sx.CodeOf(err) == sx.CodeNotFound {
		return nil // removed meanwhile
	}
	if err == nil && j.State == sx.StateUploading {
		s.metrics.uploads.WithLabelValues(resultRemoved).Inc()
	}
	return err
}
