package gateway

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	reconcileInterval = 5 * time.Second
	sweepInterval     = 10 * time.Minute
)

// reconcile finishes, expires and stops uploads and sweeps videos periodically,
// the first time immediately, until ctx ends.
func (s *Service) reconcile(ctx context.Context) {
	round, sweep := time.NewTicker(reconcileInterval), time.NewTicker(sweepInterval)
	defer round.Stop()
	defer sweep.Stop()
	suspects := map[string]bool{}
	s.reconcileUploads(ctx)
	s.sweepVideos(ctx, suspects)
	for {
		select {
		case <-ctx.Done():
			return
		case <-round.C:
			s.reconcileUploads(ctx)
		case <-sweep.C:
			s.sweepVideos(ctx, suspects)
		}
	}
}

// reconcileUploads finishes complete uploads, expires abandoned ones, and stops
// the requests of uploads that were ended elsewhere.
func (s *Service) reconcileUploads(ctx context.Context) {
	for _, id := range s.locks.All() {
		s.stopIfOver(ctx, id)
	}
	list, err := s.cfg.Jobs.Unsettled(ctx)
	if err != nil {
		s.logReconcile(ctx, "", err)
		return
	}
	for _, j := range list {
		if j.State != sx.StateUploading || s.locks.Held(j.ID) {
			continue // a request is working on it
		}
		if err := s.reconcileUpload(ctx, j); err != nil {
			s.logReconcile(ctx, j.ID, err)
		}
	}
}

func (s *Service) reconcileUpload(ctx context.Context, j sx.Job) error {
	up, err := s.cfg.Videos.Stat(ctx, j.ID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound: // its bytes have been lost
		return s.expire(ctx, j.ID)
	case err != nil:
		return err
	case up.Offset == j.Sent.Size:
		return s.finish(ctx, j.ID)
	case s.cfg.Now().Sub(up.Updated) >= s.cfg.UploadLifetime:
		return s.expire(ctx, j.ID)
	default:
		return nil
	}
}

// expire ends an unfinished upload and removes its bytes.
func (s *Service) expire(ctx context.Context, id string) error {
	release, err := s.locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	_, changed, err := s.update(ctx, id, func(j *sx.Job) error {
		if j.State != sx.StateUploading {
			return store.ErrUnchanged
		}
		return j.Expire(s.cfg.Now())
	})
	if err != nil || !changed {
		return err
	}
	s.metrics.uploads.WithLabelValues(resultExpired).Inc()
	s.cfg.Log.InfoContext(ctx, "upload expired", "job", id)
	return s.cfg.Videos.Remove(ctx, id)
}

// stopOver stops the requests whose upload is over. It reads the jobs one by one.
func (s *Service) stopOver(ctx context.Context, ids <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-ids:
			s.stopIfOver(ctx, id)
		}
	}
}

func (s *Service) stopIfOver(ctx context.Context, id string) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		s.locks.Stop(id, sx.NewError(sx.CodeUploadExpired, "the upload was removed"))
	case err == nil && j.State != sx.StateUploading:
		s.locks.Stop(id, uploadOver(j.Sent.Name))
	}
}

func (s *Service) logReconcile(ctx context.Context, job string, err error) {
	if ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "reconciling uploads failed; the next round will retry", "job", job, "error", err)
	}
}
