package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	reconcileInterval = 5 * time.Second
	// dueUploads is how many uploads are read at a time, dueRounds how often in a row.
	dueUploads = 100
	dueRounds  = 10
)

// reconcile finishes, expires and stops uploads periodically, the first time
// immediately, until ctx ends.
func (s *Service) reconcile(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "reconciling uploads", Every: reconcileInterval}
	for retry.Sleep(ctx, s.reconcileUploads(ctx)) == nil {
	}
}

// reconcileUploads stops the requests of uploads that were ended elsewhere, finishes
// complete uploads, and expires abandoned ones. It ends when the store is unavailable.
func (s *Service) reconcileUploads(ctx context.Context) error {
	for ids := range slices.Chunk(s.locks.All(), dueUploads) {
		if err := s.stopOver(ctx, ids); err != nil {
			return err
		}
	}
	for range dueRounds {
		due, err := s.cfg.Jobs.Due(ctx, sx.ActionUpload, s.cfg.Now(), dueUploads)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, j := range due {
			switch err := s.reconcileUpload(ctx, j); {
			case sx.CodeOf(err) == sx.CodeUnavailable:
				return err
			case err != nil && ctx.Err() == nil:
				s.cfg.Log.WarnContext(ctx, "upload not reconciled; the next round will retry", "job", j.ID, "error", err)
			}
		}
	}
	return nil
}

// Intervals between two checks of an upload. The next check is delayed by the time that has
// passed since the last byte, so that a gateway with thousands of abandoned uploads rarely
// checks one.
const (
	minUploadCheck  = sx.UploadCheck
	busyUploadCheck = time.Minute // while a request is working on it here
)

// reconcileUpload finishes or expires an upload, or postpones that, also after an error.
func (s *Service) reconcileUpload(ctx context.Context, j sx.Job) error {
	now := s.cfg.Now()
	if s.locks.Held(j.ID) {
		return s.cfg.Updater.Postpone(ctx, j, now.Add(busyUploadCheck))
	}
	up, err := s.cfg.Videos.Stat(ctx, j.ID)
	expires := up.Updated.Add(s.cfg.UploadLifetime)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound && store.Ahead(now, j.Created.Add(2*createTimeout), 2*createTimeout):
		return s.cfg.Updater.Postpone(ctx, j, now.Add(createTimeout)) // it may be being created
	case sx.CodeOf(err) == sx.CodeNotFound: // a crash prevented its creation, or its bytes have been lost
		err = s.expire(ctx, j.ID)
	case err != nil:
	case up.Offset == j.Sent.Size:
		err = s.finish(ctx, j.ID)
	case !now.Before(expires):
		err = s.expire(ctx, j.ID)
	default:
		next := now.Add(max(now.Sub(up.Updated), minUploadCheck))
		if next.After(expires) {
			next = expires
		}
		return s.cfg.Updater.Postpone(ctx, j, next)
	}
	if err != nil {
		return errors.Join(err, s.cfg.Updater.Postpone(ctx, j, now.Add(busyUploadCheck)))
	}
	return nil
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

// stopAnnounced stops the requests of announced uploads that are over.
func (s *Service) stopAnnounced(ctx context.Context, ids <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-ids:
			if err := s.stopOver(ctx, []string{id}); err != nil && ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "upload not stopped; the reconciler will do it", "job", id, "error", err)
			}
		}
	}
}

// stopOver stops the requests of those uploads that are over.
func (s *Service) stopOver(ctx context.Context, ids []string) error {
	missing := map[string]bool{}
	for _, id := range ids {
		missing[id] = true
	}
	for j, err := range store.JobsByID(ctx, s.cfg.Jobs, "", ids) {
		if err != nil {
			return err
		}
		delete(missing, j.ID)
		if j.State != sx.StateUploading {
			s.locks.Stop(j.ID, uploadOver(j.Sent.Name))
		}
	}
	for id := range missing {
		s.locks.Stop(id, sx.NewError(sx.CodeUploadExpired, "the upload was removed"))
	}
	return nil
}
