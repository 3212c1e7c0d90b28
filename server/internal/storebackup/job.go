package storebackup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxRounds is how often a job is read again because it refers to something else. That
	// happens a few times in its life; only its owner can edit its MP3 again and again.
	maxRounds = 20
	// A video or MP3 is removed shortly before its job says so. One that cannot be read is
	// read again after missPause; after maxMisses times, it is damaged.
	maxMisses = 20
	missPause = 100 * time.Millisecond
)

// jobWriter writes the bytes that a job refers to until it refers to nothing else, and
// then the job.
type jobWriter struct {
	*creator
	id    string
	parts []*part
}

// part is a video or MP3 of which at least the beginning is written.
type part struct {
	start   backup.Start
	w       *backup.BlobWriter
	whole   bool // it will not grow
	again   bool // reading it failed
	damaged string
}

// wanted reports whether more of it has to be read; grown says that it may have grown.
func (p *part) wanted(grown bool) bool {
	return p == nil || p.damaged == "" && (p.again || grown && !p.whole)
}

// unread is the error of a video or MP3 that is not found or could not be read: it may
// just have been removed.
type unread struct {
	start  backup.Start
	reason string
}

func (u unread) Error() string { return u.start.ID + ": " + u.reason }

func (j *jobWriter) write(ctx context.Context) error {
	for rounds, misses := 0, 0; rounds < maxRounds; {
		var job sx.Job
		err := j.persist(ctx, func() (err error) {
			job, err = j.store.Jobs.Get(ctx, j.id)
			return err
		})
		if sx.CodeOf(err) == sx.CodeNotFound {
			return j.finish(nil)
		}
		if err != nil {
			return err
		}
		complete, err := j.read(ctx, job)
		var failed unread
		switch {
		case errors.As(err, &failed):
			if misses++; misses < maxMisses {
				if err := backoff.Sleep(ctx, missPause); err != nil {
					return err
				}
				continue
			}
			if err := j.recordDamaged(ctx, failed.start, failed.reason); err != nil {
				return err
			}
		case err != nil:
			return err
		case complete:
			return j.finish(&job)
		}
		rounds, misses = rounds+1, 0
	}
	return sx.NewError(sx.CodeUnavailable, "the job %s changes too often to be read", j.id).WithHint("create the backup again")
}

// read writes what the job refers to and was not written yet. It reports whether there was
// nothing left to write: then the archive has all that the job refers to.
func (j *jobWriter) read(ctx context.Context, job sx.Job) (complete bool, err error) {
	complete = true
	if p := j.find(job.ID, false); job.HasVideo() && p.wanted(job.State != sx.StateUploading) {
		complete = false
		if err := j.readVideo(ctx, p); err != nil {
			return false, err
		}
	}
	for _, t := range job.Tracks {
		if p := j.find(t.ID, true); p.wanted(false) {
			complete = false
			if err := j.readTrack(ctx, p, t); err != nil {
				return false, err
			}
		}
	}
	return complete, nil
}

func (j *jobWriter) find(id string, track bool) *part {
	for _, p := range j.parts {
		if p.start.ID == id && p.start.Track == track {
			return p
		}
	}
	return nil
}

func (j *jobWriter) begin(s backup.Start) (*part, error) {
	w, err := j.w.Blob(s)
	p := &part{start: s, w: w}
	j.parts = append(j.parts, p)
	return p, err
}

// readVideo writes what is stored of the video and not written yet. Nothing else was
// written in between: a job whose upload is not complete has no MP3.
func (j *jobWriter) readVideo(ctx context.Context, p *part) error {
	var up store.Upload
	var src store.Blob
	err := j.persist(ctx, func() (err error) {
		up, src, err = j.store.Dump.Upload(ctx, j.id)
		return err
	})
	start := backup.Start{ID: j.id, Name: up.Name, Size: up.Size}
	if err != nil {
		return failure(ctx, start, err)
	}
	defer func() { _ = src.Close() }()
	if p == nil {
		if p, err = j.begin(start); err != nil {
			return err
		}
	}
	p.whole = up.SHA256 != ""
	return j.copy(ctx, p, src, up.SHA256)
}

func (j *jobWriter) readTrack(ctx context.Context, p *part, t sx.Track) error {
	var src store.Blob
	err := j.persist(ctx, func() (err error) {
		src, err = j.store.Tracks.Open(ctx, t.ID)
		return err
	})
	start := backup.Start{ID: t.ID, Track: true, Name: t.Name}
	if err != nil {
		return failure(ctx, start, err)
	}
	defer func() { _ = src.Close() }()
	if p == nil {
		if p, err = j.begin(start); err != nil {
			return err
		}
	}
	p.whole = true
	return j.copy(ctx, p, src, t.SHA256)
}

// failure returns unread for an error of a video or MP3, or the error itself if it is one
// of the whole store.
func failure(ctx context.Context, start backup.Start, err error) error {
	switch {
	case ctx.Err() != nil, sx.CodeOf(err) == sx.CodeUnavailable:
		return err
	case sx.CodeOf(err) == sx.CodeNotFound:
		return unread{start, "it is not in the store"}
	default:
		return unread{start, err.Error()}
	}
}

// copy writes what src has beyond what is written, and compares the whole with the digest,
// if there is one.
func (j *jobWriter) copy(ctx context.Context, p *part, src store.Blob, sha256 string) error {
	for {
		n := 0
		err := j.persist(ctx, func() error {
			if _, err := src.Seek(p.w.Blob().Size+int64(n), io.SeekStart); err != nil {
				return err
			}
			k, err := io.ReadFull(src, j.buffer[n:])
			n += k
			return err
		})
		if n > 0 {
			if err := p.w.Part(j.buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			p.again = true
			return failure(ctx, p.start, err)
		}
		p.again = false
		if sha256 != "" && p.w.Blob().SHA256 != sha256 {
			return j.recordDamaged(ctx, p.start, "its bytes differ from its digest")
		}
		return nil
	}
}

// recordDamaged records that a video or MP3 could not be read.
func (j *jobWriter) recordDamaged(ctx context.Context, start backup.Start, why string) error {
	p := j.find(start.ID, start.Track)
	if p == nil {
		var err error
		if p, err = j.begin(start); err != nil {
			return err
		}
	}
	p.damaged = sx.CleanLine(why, 200)
	j.log.WarnContext(ctx, "a video or MP3 could not be read; the backup lacks it", "id", start.ID, "job_id", j.id, "reason", p.damaged)
	return nil
}

// finish writes the document of the job; nil is one that was removed.
func (j *jobWriter) finish(job *sx.Job) error {
	doc := backup.Job{Removed: job == nil, Blobs: []backup.Blob{}}
	for _, p := range j.parts {
		b := p.w.Blob()
		b.Damaged = p.damaged
		doc.Blobs = append(doc.Blobs, b)
		if p.damaged != "" && job != nil {
			j.result.Damaged++
		}
	}
	if job == nil {
		if len(j.parts) == 0 {
			return nil
		}
		return j.w.Document(backup.Jobs, j.id, doc)
	}
	raw, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("encode job %s: %w", j.id, err)
	}
	doc.Job = raw
	j.result.Jobs++
	return j.w.Document(backup.Jobs, j.id, doc)
}
