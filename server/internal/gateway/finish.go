package gateway

import (
	"context"
	"errors"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// errUnchanged leaves a job as it is, because it already is as wanted.
var errUnchanged = errors.New("the job stays as it is")

// finish turns a complete upload into a queued job. It may be called again, and
// after a crash at any point.
func (s *Service) finish(ctx context.Context, id string) error {
	up, err := s.cfg.Videos.Complete(ctx, id)
	if err != nil {
		return err
	}
	j, err := s.cfg.Updater.Update(ctx, id, func(j *sx.Job) error {
		switch {
		case j.State == sx.StateUploading:
			return j.Queue(up.SHA256, s.cfg.Now())
		case j.Video.SHA256 != "":
			return errUnchanged
		default:
			return uploadOver(*j)
		}
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		return err
	}
	s.metrics.uploads.WithLabelValues(resultFinished).Inc()
	s.cfg.Log.InfoContext(ctx, "upload finished", "job", id, "size", j.Video.Size, "sha256", up.SHA256)
	return nil
}

// expire gives up an upload and its bytes.
func (s *Service) expire(ctx context.Context, id string) error {
	release, err := s.locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.cfg.Updater.Update(ctx, id, func(j *sx.Job) error {
		if j.State != sx.StateUploading {
			return errUnchanged
		}
		return j.Expire(s.cfg.Now())
	}); err != nil {
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	}
	s.metrics.uploads.WithLabelValues(resultExpired).Inc()
	s.cfg.Log.InfoContext(ctx, "upload expired", "job", id)
	return s.cfg.Videos.Remove(ctx, id)
}

// remove deletes a job with its video and track; one that is not over is
// cancelled first. The document goes last, so that a crash leaves something to
// remove again. The caller has the upload's turn.
func (s *Service) remove(ctx context.Context, id string) error {
	for {
		j, err := s.cfg.Updater.Update(ctx, id, func(j *sx.Job) error {
			if j.State.Final() {
				return errUnchanged
			}
			return j.Cancel(s.cfg.Now())
		})
		if err != nil && !errors.Is(err, errUnchanged) {
			return err
		}
		if err := s.cfg.Videos.Remove(ctx, id); err != nil {
			return err
		}
		if j.Track != nil {
			if err := s.cfg.Tracks.Remove(ctx, j.Track.ID); err != nil {
				return err
			}
		}
		switch err := s.cfg.Jobs.Delete(ctx, j); {
		case errors.Is(err, store.ErrStale): // told or retried meanwhile
			continue
		case err != nil:
			return err
		}
		if err := s.cfg.Bus.Announce(ctx, id); err != nil {
			s.cfg.Log.DebugContext(ctx, "announce failed", "job", id, "error", err)
		}
		return nil
	}
}
