package storebackup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// A video or MP3 is removed shortly before its job says so. One that cannot be read is
// read again after missPause; after maxMisses times, it is damaged.
const (
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

// unread is the error of a video or MP3 that is not found or could not be read: it may
// just have been removed.
type unread struct {
	start  backup.Start
	reason string
}

func (u unread) Error() string { return u.start.ID + ": " + u.reason }

// write reads the job again after its bytes, because it may have changed meanwhile. Its
// owner can edit its MP3s again and again, so after backup.MaxVersions times the backup has
// the job as it was before its bytes were read the last time, to which they belong.
func (j *jobWriter) write(ctx context.Context) error {
	for versions, misses := 0, 0; ; {
		var job sx.Job
		err := j.persist(ctx, func() (err error) {
			job, err = j.store.Jobs.Get(ctx, j.id)
			return err
		})
		if sx.CodeOf(err) == sx.CodeNotFound {
			return j.finish(ctx, nil)
		}
		if err != nil {
			return err
		}
		before := len(j.parts)
		if len(j.wanted(job)) == 0 {
			return j.finish(ctx, &job)
		}
		failed, err := j.read(ctx, job)
		if err != nil {
			return err
		}
		last := versions == backup.MaxVersions-1 && len(j.parts) > before
		switch {
		case !failed:
			misses = 0
		case last || misses == maxMisses-1:
			misses = 0
			if err := j.settle(ctx, job); err != nil {
				return err
			}
		default:
			misses++
			if err := backoff.Sleep(ctx, missPause); err != nil {
				return err
			}
		}
		if len(j.parts) > before || !failed {
			versions++
		}
		if versions == backup.MaxVersions {
			return j.finish(ctx, &job)
		}
	}
}

// read writes what the job refers to and was not written yet. failed reports that some of
// it could not be read.
func (j *jobWriter) read(ctx context.Context, job sx.Job) (failed bool, err error) {
	for _, b := range j.wanted(job) {
		var u unread
		switch err := b.read(ctx, b.part); {
		case errors.As(err, &u):
			failed = true
			if j.find(u.start.ID, u.start.Track) != nil {
				return true, nil // it continues where it ended, so nothing may follow yet
			}
		case err != nil:
			return true, err
		}
	}
	return failed, nil
}

// settle writes what read has not written, and records what cannot be read as damaged.
func (j *jobWriter) settle(ctx context.Context, job sx.Job) error {
	for _, b := range j.wanted(job) {
		err := b.read(ctx, b.part)
		var u unread
		if errors.As(err, &u) {
			err = j.damage(u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wantedBlob is a video or MP3 of which more has to be read. part is nil if nothing is
// written of it.
type wantedBlob struct {
	part *part
	read func(context.Context, *part) error
}

// wanted returns what the job refers to and was not written yet. The first may be the last
// part, which continues; no other part can.
func (j *jobWriter) wanted(job sx.Job) []wantedBlob {
	var list []wantedBlob
	add := func(p *part, grown bool, read func(context.Context, *part) error) {
		switch b := (wantedBlob{p, read}); {
		case p == nil:
			list = append(list, b)
		case p == j.parts[len(j.parts)-1] && p.damaged == "" && (p.again || grown && !p.whole):
			list = slices.Insert(list, 0, b)
		}
	}
	if job.HasVideo() {
		add(j.find(job.ID, false), job.State != sx.StateUploading, j.readVideo)
	}
	for _, t := range job.Tracks {
		add(j.find(t.ID, true), false, func(ctx context.Context, p *part) error { return j.readTrack(ctx, p, t) })
	}
	return list
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
	if err != nil {
		return nil, err
	}
	if n := len(j.parts); n > 0 && j.parts[n-1].again {
		j.parts[n-1].damaged = "it was not read to its end"
	}
	p := &part{start: s, w: w}
	j.parts = append(j.parts, p)
	return p, nil
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
			return j.damage(unread{p.start, "its bytes differ from its digest"})
		}
		return nil
	}
}

// damage records that a video or MP3 could not be read.
func (j *jobWriter) damage(u unread) error {
	p := j.find(u.start.ID, u.start.Track)
	if p == nil {
		var err error
		if p, err = j.begin(u.start); err != nil {
			return err
		}
	}
	p.damaged = sx.CleanLine(u.reason, backup.MaxReason)
	return nil
}

// finish writes the document of the job; nil is one that was removed.
func (j *jobWriter) finish(ctx context.Context, job *sx.Job) error {
	doc := backup.Job{Removed: job == nil, Blobs: []backup.Blob{}}
	for _, p := range j.parts {
		b := p.w.Blob()
		if p.damaged != "" && p.belongs(job) {
			b.Damaged = p.damaged
			j.result.Damaged++
			j.log.WarnContext(ctx, "a video or MP3 could not be read; the backup lacks it", "id", b.ID, "job_id", j.id, "reason", p.damaged)
		}
		doc.Blobs = append(doc.Blobs, b)
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

// belongs reports whether the job refers to it.
func (p *part) belongs(job *sx.Job) bool {
	switch {
	case job == nil:
		return false
	case p.start.Track:
		return slices.ContainsFunc(job.Tracks, func(t sx.Track) bool { return t.ID == p.start.ID })
	default:
		return job.HasVideo()
	}
}
