package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// toAPI returns a job's API form, with the number of bytes of its video that
// have arrived, and when it is deleted.
func (s *Service) toAPI(ctx context.Context, j sx.Job, kept periods) (api.Job, error) {
	stored, err := s.stored(ctx, j)
	if err != nil {
		return api.Job{}, err
	}
	of, err := kept.of(ctx, j.Owner)
	return api.FromJob(j, stored).WithDeletion(of.Deletion(&j, s.cfg.Now())), err
}

// stored returns how many bytes of the job's video have arrived while it is
// uploading, else 0.
func (s *Service) stored(ctx context.Context, j sx.Job) (int64, error) {
	if j.State != sx.StateUploading {
		return 0, nil
	}
	up, err := s.cfg.Videos.Stat(ctx, j.ID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return 0, nil // ended since the job was read
	}
	return up.Offset, err
}

func (s *Service) writeJob(w http.ResponseWriter, r *http.Request, j sx.Job) error {
	out, err := s.toAPI(r.Context(), j, s.newPeriods())
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

func (s *Service) listJobs(w http.ResponseWriter, r *http.Request) error {
	filter, err := jobFilter(r.URL.Query())
	if err != nil {
		return err
	}
	filter.Owner = owner(r.Context())
	leave, err := s.large.Enter(r.Context(), filter.Owner)
	if err != nil {
		return err
	}
	defer leave()
	list, next, err := s.cfg.Jobs.List(r.Context(), filter)
	if err != nil {
		return err
	}
	out := api.JobList{Jobs: make([]api.Job, len(list))}
	kept := s.newPeriods()
	for i, j := range list {
		if out.Jobs[i], err = s.toAPI(r.Context(), j, kept); err != nil {
			return err
		}
	}
	if next != nil {
		out.Next = next.String()
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

func (s *Service) getUsage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	limits, err := s.limits(ctx, owner(ctx))
	if err != nil {
		return err
	}
	used, err := s.cfg.Jobs.Usage(ctx, owner(ctx), s.cfg.Now())
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, api.FromUsage(used, limits))
	return nil
}

func (s *Service) getJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	out, err := s.toAPI(r.Context(), j, s.newPeriods())
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, out.WithHistory(j))
	return nil
}

// deleteJob removes a job with its video and track.
func (s *Service) deleteJob(w http.ResponseWriter, r *http.Request) error {
	j, release, err := s.lock(r)
	if err != nil {
		return err
	}
	defer release()
	if err := s.remove(r.Context(), j.ID); err != nil {
		return err
	}
	if j.State == sx.StateUploading {
		s.metrics.uploads.WithLabelValues(resultRemoved).Inc()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// removeTimeout bounds the removal of an upload whose client may have disconnected.
const removeTimeout = 20 * time.Second

// cancelJob cancels a job. The bytes of an unfinished upload are removed; a
// complete video is kept for a retry. Cancelling a cancelled job changes nothing.
func (s *Service) cancelJob(w http.ResponseWriter, r *http.Request) error {
	j, release, err := s.lock(r)
	if err != nil {
		return err
	}
	defer release()
	after, _, err := s.update(r.Context(), j.ID, func(j *sx.Job) error {
		if j.State == sx.StateCancelled {
			return store.ErrUnchanged
		}
		return j.Cancel(s.cfg.Now())
	})
	if err != nil {
		return err
	}
	if after.Sent.SHA256 == "" {
		// Even if the client has disconnected: these bytes no longer count in its quota.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), removeTimeout)
		defer cancel()
		if err := s.cfg.Videos.Remove(ctx, j.ID); err != nil {
			return err // cancelling again, or the sweep, removes it
		}
		if j.State == sx.StateUploading {
			s.metrics.uploads.WithLabelValues(resultRemoved).Inc()
		}
	}
	return s.writeJob(w, r, after)
}

// retryJob queues a failed or cancelled job again.
func (s *Service) retryJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	after, err := s.cfg.Updater.Update(r.Context(), j.ID, func(j *sx.Job) error {
		return j.Retry(s.cfg.Now())
	})
	if err != nil {
		return err
	}
	return s.writeJob(w, r, after)
}

// owned returns the job if it is the caller's. Any other job is not found, so
// that nobody learns which ids exist.
func (s *Service) owned(ctx context.Context, id string) (sx.Job, error) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return sx.Job{}, err
	}
	if err != nil || j.Owner != owner(ctx) {
		return sx.Job{}, sx.NewError(sx.CodeNotFound, "job %s not found", id)
	}
	return j, nil
}

// lock acquires the upload lock of the job that the request names, which must
// be the caller's, and returns the job as it was before.
func (s *Service) lock(r *http.Request) (j sx.Job, release func(), err error) {
	if j, err = s.owned(r.Context(), r.PathValue("id")); err != nil {
		return sx.Job{}, nil, err
	}
	release, err = s.locks.Lock(r.Context(), j.ID)
	return j, release, err
}

// update is Updater.Update, except that store.ErrUnchanged is not an error.
func (s *Service) update(ctx context.Context, id string, change func(*sx.Job) error) (j sx.Job, changed bool, err error) {
	j, err = s.cfg.Updater.Update(ctx, id, change)
	if errors.Is(err, store.ErrUnchanged) {
		return j, false, nil
	}
	return j, err == nil, err
}

// remove deletes a job with its video and track, and cancels it first if it is
// unfinished. The files are removed first, so that on a full disk there is room for the
// record of what was made from the job's source. The document is removed last, so that after a
// crash the job can be removed again. The caller holds the upload lock.
func (s *Service) remove(ctx context.Context, id string) error {
	return s.removeAfter(ctx, id, s.recordConversion)
}

// removeAfter is remove, which calls record once the files are gone.
func (s *Service) removeAfter(ctx context.Context, id string, record func(context.Context, sx.Job) error) error {
	for {
		j, _, err := s.update(ctx, id, func(j *sx.Job) error {
			if j.State.Final() {
				return store.ErrUnchanged
			}
			return j.Cancel(s.cfg.Now())
		})
		if err != nil {
			return err
		}
		if err := s.removeFiles(ctx, j); err != nil {
			return err
		}
		if err := record(ctx, j); err != nil {
			return err
		}
		err = s.cfg.Jobs.Delete(ctx, j)
		if errors.Is(err, store.ErrStale) {
			continue // notified or retried meanwhile
		}
		if err != nil {
			return err
		}
		if err := s.cfg.Bus.Announce(ctx, id); err != nil {
			s.cfg.Log.DebugContext(ctx, "announcing a job failed", "job", id, "error", err)
		}
		return nil
	}
}

func (s *Service) removeFiles(ctx context.Context, j sx.Job) error {
	if err := s.cfg.Videos.Remove(ctx, j.ID); err != nil {
		return err
	}
	for _, t := range j.Tracks {
		if err := s.cfg.Tracks.Remove(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}
