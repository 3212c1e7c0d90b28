package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/soundextract/sx/server/internal/sniff"
	"github.com/soundextract/sx/server/sx"
)

// tusStore shows jobs and their videos to the tus handler as uploads.
type tusStore struct{ s *Service }

// NewUpload implements tusd.DataStore.
func (t tusStore) NewUpload(ctx context.Context, info tusd.FileInfo) (tusd.Upload, error) {
	j, err := t.s.create(ctx, info)
	if err != nil {
		return nil, t.s.tusError(ctx, err)
	}
	return &tusUpload{s: t.s, job: j}, nil
}

// GetUpload implements tusd.DataStore.
func (t tusStore) GetUpload(ctx context.Context, id string) (tusd.Upload, error) {
	j, err := t.s.owned(ctx, id)
	if err != nil {
		return nil, t.s.tusError(ctx, err)
	}
	return &tusUpload{s: t.s, job: j}, nil
}

// AsTerminatableUpload implements tusd.TerminaterDataStore.
func (t tusStore) AsTerminatableUpload(u tusd.Upload) tusd.TerminatableUpload {
	up, _ := u.(*tusUpload)
	return up
}

// tusUpload is one upload during one request.
type tusUpload struct {
	s   *Service
	job sx.Job
}

// GetInfo implements tusd.Upload.
func (u *tusUpload) GetInfo(ctx context.Context) (tusd.FileInfo, error) {
	offset, used, err := u.progress(ctx)
	if err != nil {
		return tusd.FileInfo{}, u.s.tusError(ctx, err)
	}
	if p := pieceOf(ctx); p != nil && offset < u.job.Video.Size {
		p.expires = used.Add(u.s.cfg.UploadLife)
	}
	return tusd.FileInfo{ID: u.job.ID, Size: u.job.Video.Size, Offset: offset, MetaData: metadata(u.job)}, nil
}

// progress tells how far the upload is; one that was finished once is complete
// whatever became of its job.
func (u *tusUpload) progress(ctx context.Context) (offset int64, used time.Time, err error) {
	switch {
	case u.job.Video.SHA256 != "":
		return u.job.Video.Size, time.Time{}, nil
	case u.job.State != sx.StateUploading:
		return 0, time.Time{}, uploadOver(u.job)
	}
	up, err := u.s.cfg.Videos.Stat(ctx, u.job.ID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return 0, time.Time{}, uploadOver(u.job)
	}
	return up.Offset, up.Updated, err
}

func uploadOver(j sx.Job) error {
	return sx.NewError(sx.CodeUploadExpired, "the upload of %s was given up", j.Video.Name)
}

// WriteChunk implements tusd.Upload. The tus handler shows any end of the body
// to src as a clean one, so nothing is concluded from it here.
func (u *tusUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	p := pieceOf(ctx)
	defer p.end()
	src, err := u.sniffed(ctx, p, offset, src)
	if err != nil {
		return 0, u.s.tusError(ctx, err)
	}
	n, err := u.s.cfg.Videos.Append(ctx, u.job.ID, offset, src)
	u.s.metrics.uploadBytes.Add(float64(n))
	if n > 0 {
		p.expires = u.s.cfg.Now().Add(u.s.cfg.UploadLife)
	}
	if offset+n == u.job.Video.Size {
		p.expires = time.Time{}
	} else if reason := p.stopped(); reason != nil {
		err = reason
	}
	switch {
	case err == nil:
		return n, nil
	case sx.CodeOf(err) == sx.CodeNotFound: // removed under its hands
		err = uploadOver(u.job)
	}
	return n, u.s.tusError(ctx, err)
}

// sniffed looks at the first bytes of the file and gives src as it was. What is
// no media is refused and removed. A first piece that is shorter than sniff.Len
// is judged by what it has; one that broke off is neither judged nor kept, as
// the next will begin at 0 again.
func (u *tusUpload) sniffed(ctx context.Context, p *piece, offset int64, src io.Reader) (io.Reader, error) {
	if offset > 0 {
		return src, nil
	}
	head := make([]byte, min(sniff.Len, u.job.Video.Size))
	n, err := io.ReadFull(src, head)
	if err != nil && (p.isBroken() || n == 0) {
		return bytes.NewReader(nil), nil
	}
	head = head[:n]
	if _, err := sniff.Sniff(head); err != nil {
		u.s.metrics.uploads.WithLabelValues(resultRefused).Inc()
		if err := u.s.remove(ctx, u.job.ID); err != nil {
			u.s.cfg.Log.WarnContext(ctx, "refused upload not removed, it will expire", "job", u.job.ID, "error", err)
		}
		return nil, err
	}
	return io.MultiReader(bytes.NewReader(head), src), nil
}

// FinishUpload implements tusd.Upload. It may never be called for an upload
// whose last byte is stored; the reconciler does the same.
func (u *tusUpload) FinishUpload(ctx context.Context) error {
	if err := u.s.finish(ctx, u.job.ID); err != nil {
		return u.s.tusError(ctx, err)
	}
	return nil
}

// Terminate implements tusd.TerminatableUpload. A finished upload is a video by
// now, and is removed as a job.
func (u *tusUpload) Terminate(ctx context.Context) error {
	var err error
	switch {
	case u.job.Video.SHA256 != "":
		err = sx.NewError(sx.CodeConflict, "the upload of %s is finished", u.job.Video.Name).
			WithHint("remove the job with: sx rm %s", u.job.ID)
	case u.job.State != sx.StateUploading:
		err = uploadOver(u.job)
	default:
		if err = u.s.remove(ctx, u.job.ID); err == nil {
			u.s.metrics.uploads.WithLabelValues(resultRemoved).Inc()
			return nil
		}
	}
	return u.s.tusError(ctx, err)
}

// GetReader implements tusd.Upload. No route leads here: videos are not handed out.
func (u *tusUpload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, fmt.Errorf("read upload: %w", errors.ErrUnsupported)
}
