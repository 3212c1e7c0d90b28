package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// wire brings a job to its wire form, with how much of its video is there.
func (s *Service) wire(ctx context.Context, j sx.Job) (api.Job, error) {
	stored, err := s.stored(ctx, j)
	return api.FromJob(j, stored), err
}

// stored is how many bytes of the job's video are there while it is uploading.
func (s *Service) stored(ctx context.Context, j sx.Job) (int64, error) {
	if j.State != sx.StateUploading {
		return 0, nil
	}
	up, err := s.cfg.Videos.Stat(ctx, j.ID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return 0, nil // ended a moment ago
	}
	return up.Offset, err
}

func (s *Service) writeJob(w http.ResponseWriter, r *http.Request, j sx.Job) error {
	out, err := s.wire(r.Context(), j)
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
	list, more, err := s.cfg.Jobs.List(r.Context(), filter)
	if err != nil {
		return err
	}
	out := api.JobList{Jobs: make([]api.Job, len(list))}
	for i, j := range list {
		if out.Jobs[i], err = s.wire(r.Context(), j); err != nil {
			return err
		}
	}
	if more && len(list) > 0 {
		out.Next = cursor(list[len(list)-1])
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

func (s *Service) getJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.writeJob(w, r, j)
}

// deleteJob removes a job with all that belongs to it.
func (s *Service) deleteJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	release, err := s.locks.Lock(r.Context(), j.ID)
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

// cancelJob stops a job. Of an unfinished upload the bytes are removed; a whole
// video stays, so that the job can be tried again. Cancelling twice is once.
func (s *Service) cancelJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	release, err := s.locks.Lock(r.Context(), j.ID)
	if err != nil {
		return err
	}
	defer release()
	after, err := s.cfg.Updater.Update(r.Context(), j.ID, func(j *sx.Job) error {
		if j.State == sx.StateCancelled {
			return errUnchanged
		}
		return j.Cancel(s.cfg.Now())
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return err
	}
	if after.Video.SHA256 == "" {
		if err := s.cfg.Videos.Remove(r.Context(), j.ID); err != nil {
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
