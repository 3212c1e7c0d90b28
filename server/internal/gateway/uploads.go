package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tusserver"
	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

// uploads presents jobs and their videos as uploads to the tus server. An
// upload's id is its job's.
type uploads struct{ *Service }

// appendUpload stores the next bytes of an upload. When the server drains, it ends, and the
// client continues at another gateway.
func (s *Service) appendUpload(w http.ResponseWriter, r *http.Request) error {
	ctx, stop := httpserver.Resumable(r.Context())
	defer stop()
	r = r.WithContext(ctx)
	if err := s.uploads.Patch(w, r); err != nil {
		s.fail(w, r, err) // which has to know that ctx has ended
	}
	return nil
}

// Create creates an upload, or returns the one that an earlier request with the same
// idempotency key has created.
func (s uploads) Create(ctx context.Context, size int64, metadata map[string]string) (tusserver.Upload, error) {
	u, err := readMetadata(metadata)
	if err != nil {
		return tusserver.Upload{}, err
	}
	if u.Size = size; size == 0 {
		return tusserver.Upload{}, sx.NewError(sx.CodeNotMedia, "%s is empty", u.Source.Name)
	}
	if err := u.CheckSize(); err != nil {
		return tusserver.Upload{}, err
	}
	key, err := idempotencyKey(ctx)
	if err != nil {
		return tusserver.Upload{}, err
	}
	j := sx.NewJob(owner(ctx), u, s.cfg.Now())
	if key != "" {
		return s.createOnce(ctx, j, key, requestDigest(ctx, size, metadata))
	}
	return s.create(ctx, j)
}

// createTimeout bounds the creation of an upload. With removeTimeout, if it is refused, that
// is less than the reservation of an idempotency key.
const createTimeout = 20 * time.Second

// create creates the job, checks the quota and creates the video last: an upload without
// one stores nothing, so a crash in between leaves nothing that gets past the quota, only a
// job that the reconciler expires. It continues after the client has disconnected.
func (s uploads) create(ctx context.Context, j sx.Job) (tusserver.Upload, error) {
	size := j.Sent.Size
	if s.cfg.Space != nil {
		if err := s.cfg.Space.Admit(ctx, size); err != nil {
			return tusserver.Upload{}, err
		}
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	err := s.cfg.Jobs.Create(bounded, j)
	if sx.CodeOf(err) == sx.CodeConflict {
		return tusserver.Upload{}, err // the job with this ID is another one
	}
	if err == nil {
		err = s.checkQuota(bounded, j)
	}
	if err == nil {
		err = s.cfg.Videos.Create(bounded, j.ID, j.Sent.Name, size)
	}
	if err != nil {
		s.undo(ctx, j)
		return tusserver.Upload{}, err
	}
	s.cfg.Updater.Created(ctx, j)
	s.cfg.Log.InfoContext(ctx, "upload created", "job", j.ID, "owner", j.Owner, "size", size)
	return s.upload(j, 0, s.cfg.Now()), nil
}

// undo removes the job and the video of an upload that is refused, or whose job may have
// been stored in spite of an error.
func (s uploads) undo(ctx context.Context, j sx.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	j.Rev = 1
	err := s.cfg.Jobs.Delete(ctx, j)
	if errors.Is(err, store.ErrStale) { // the client found the job in its list, and has not waited for the response
		err = s.removeLocked(ctx, j.ID)
	}
	// If the job remains, nothing can be uploaded without its video.
	if err := errors.Join(err, s.cfg.Videos.Remove(ctx, j.ID)); err != nil {
		s.cfg.Log.WarnContext(ctx, "refused upload not removed; the reconciler will expire it", "job", j.ID, "error", err)
	}
}

// removeLocked is remove for callers that do not hold the upload lock.
func (s uploads) removeLocked(ctx context.Context, id string) error {
	release, err := s.locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	return s.remove(ctx, id)
}

// Get returns the upload of a job of the caller.
func (s uploads) Get(ctx context.Context, id string) (tusserver.Upload, error) {
	j, err := s.owned(ctx, id)
	switch {
	case err != nil:
		return tusserver.Upload{}, err
	case j.Sent.SHA256 != "": // complete, whatever the job's state
		return s.upload(j, j.Sent.Size, time.Time{}), nil
	case j.State != sx.StateUploading:
		return tusserver.Upload{}, uploadOver(j.Sent.Name)
	}
	stored, err := s.cfg.Videos.Stat(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return tusserver.Upload{}, uploadOver(j.Sent.Name)
	case err != nil:
		return tusserver.Upload{}, err
	}
	if stored.Offset == j.Sent.Size && !s.locks.Held(id) {
		// A crash prevented this; if it fails again, the reconciler does it.
		if err := s.finish(ctx, id); err != nil {
			s.cfg.Log.WarnContext(ctx, "complete upload not finished; the reconciler will do it", "job", id, "error", err)
		}
	}
	return s.upload(j, stored.Offset, stored.Updated), nil
}

// upload describes the upload of a job, whose last bytes arrived at updated.
func (s uploads) upload(j sx.Job, offset int64, updated time.Time) tusserver.Upload {
	described := sx.NewUpload{
		Source: j.Sources[0], Size: j.Sent.Size, AudioOnly: j.Sent.AudioOnly, Options: j.Options, Labels: j.Labels,
		Priority: j.Priority,
	}
	if len(j.Sources) > 1 {
		described.Source, described.Joined = sx.Source{Name: j.Sent.Name}, j.Sources
	}
	u := tusserver.Upload{ID: j.ID, Size: j.Sent.Size, Offset: offset, Metadata: api.UploadMetadata(described)}
	if offset < u.Size {
		u.Expires = updated.Add(s.cfg.UploadLifetime)
	}
	return u
}

func uploadOver(name string) error {
	return sx.NewError(sx.CodeUploadExpired, "the upload of %s was cancelled or has expired", name)
}

// The limit of simultaneous uploads of an account, which is more than sx sends at once on a
// few machines, and when a refused client should try again.
const (
	maxUploads  = 16
	uploadRetry = 5 * time.Second
)

// Append stores body and, with the last byte, queues the job. It counts only requests that
// store: one that hangs has ended before the next one of its upload counts.
func (s uploads) Append(ctx context.Context, u tusserver.Upload, body *tusserver.Body) (tusserver.Upload, error) {
	release, ok := s.ownerUploads.take(owner(ctx))
	if !ok {
		return u, sx.NewError(sx.CodeTooManyRequests, "your account has %d uploads running, which is the maximum", maxUploads).
			WithHint("wait until one of them has finished, then continue this one").WithRetryAfter(uploadRetry)
	}
	defer release()
	src, err := s.checkMedia(ctx, u, body)
	if err != nil {
		return u, err
	}
	if s.cfg.Now().Sub(u.Expires.Add(-s.cfg.UploadLifetime)) > minUploadCheck {
		s.resumed(ctx, u.ID)
	}
	n, err := s.store(ctx, u, src)
	s.metrics.uploadBytes.Add(float64(n))
	if n > 0 {
		u.Offset += n
		u.Expires = s.cfg.Now().Add(s.cfg.UploadLifetime)
	}
	switch {
	case u.Offset == u.Size:
		u.Expires = time.Time{}
		return u, s.finish(ctx, u.ID) // if this fails, the reconciler does it
	case sx.CodeOf(err) == sx.CodeNotFound: // removed meanwhile
		return u, uploadOver(u.Metadata[api.MetaFilename])
	}
	return u, err
}

// store stores src until the storage is nearly full.
func (s uploads) store(ctx context.Context, u tusserver.Upload, src io.Reader) (int64, error) {
	if s.cfg.Space == nil {
		return s.cfg.Videos.Append(ctx, u.ID, u.Offset, src)
	}
	guarded := s.cfg.Space.Reader(ctx, src)
	n, err := s.cfg.Videos.Append(ctx, u.ID, u.Offset, guarded)
	if err == nil {
		err = guarded.Err()
	}
	return n, err
}

// resumed brings forward the next check of an upload of which no byte has arrived for some
// time. If this fails, the only effect is that the end of the upload is noticed later after
// a crash.
func (s uploads) resumed(ctx context.Context, id string) {
	_, _, _ = s.update(ctx, id, func(j *sx.Job) error {
		soon := s.cfg.Now().Add(busyUploadCheck)
		if j.State != sx.StateUploading || j.Check.Before(soon) {
			return store.ErrUnchanged
		}
		j.Check = soon
		return nil
	})
}

// checkMedia refuses and removes an upload whose first bytes are not those of a
// media file; otherwise it returns all of body. A complete first body that is
// shorter than sniff.Len is checked as it is. One that was interrupted is
// neither checked nor stored, so that the next request sends the first bytes
// again.
func (s uploads) checkMedia(ctx context.Context, u tusserver.Upload, body *tusserver.Body) (io.Reader, error) {
	if u.Offset > 0 {
		return body, nil
	}
	head := make([]byte, min(sniff.Len, u.Size))
	n, _ := io.ReadFull(body, head) // body.Err returns the reason if it ends early
	conclusive := n == len(head) || n > 0 && body.Err() == nil
	if !conclusive {
		return bytes.NewReader(nil), nil
	}
	head = head[:n]
	if _, err := sniff.Sniff(head); err != nil {
		s.metrics.uploads.WithLabelValues(resultRefused).Inc()
		_ = body.End() // otherwise the removal stops this request, which then reports it
		if err := s.remove(ctx, u.ID); err != nil {
			s.cfg.Log.WarnContext(ctx, "refused upload not removed; it will expire", "job", u.ID, "error", err)
		}
		return nil, err
	}
	return io.MultiReader(bytes.NewReader(head), body), nil
}

// Terminate removes an unfinished upload with its job. A finished one is a video,
// which is removed as a job.
func (s uploads) Terminate(ctx context.Context, id string) error {
	j, err := s.owned(ctx, id)
	switch {
	case err != nil:
		return err
	case j.Sent.SHA256 != "":
		return sx.NewError(sx.CodeConflict, "the upload of %s is complete", j.Sent.Name).
			WithHint("delete the job %s instead", id)
	case j.State != sx.StateUploading:
		return uploadOver(j.Sent.Name)
	}
	if err := s.remove(ctx, id); err != nil {
		return err
	}
	s.metrics.uploads.WithLabelValues(resultRemoved).Inc()
	return nil
}

// finish turns a complete upload into a queued job. It may be called again,
// even after a crash at any point.
func (s *Service) finish(ctx context.Context, id string) error {
	video, err := s.cfg.Videos.Complete(ctx, id)
	if err != nil {
		return err
	}
	j, changed, err := s.update(ctx, id, func(j *sx.Job) error {
		switch {
		case j.State == sx.StateUploading:
			return j.Queue(video.SHA256, s.cfg.Now())
		case j.Sent.SHA256 != "":
			return store.ErrUnchanged
		default:
			return uploadOver(j.Sent.Name)
		}
	})
	if err != nil || !changed {
		return err
	}
	s.metrics.uploads.WithLabelValues(resultFinished).Inc()
	s.cfg.Log.InfoContext(ctx, "upload finished", "job", id, "size", j.Sent.Size, "sha256", video.SHA256)
	return nil
}
