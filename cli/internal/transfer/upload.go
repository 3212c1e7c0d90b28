package transfer

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"github.com/soundextract/sx/cli/internal/awake"
	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Uploader uploads files. Its methods may be called from several goroutines.
type Uploader struct {
	API     *client.Client
	Policy  *Policy
	Records UploadRecords
	// WholeFile sends whole files, not only their audio.
	WholeFile bool
	// Labels are those of the jobs.
	Labels []string
	// Limit limits the rate of all uploads together; nil is no limit.
	Limit *bandwidth.Limit
	// Stall is how long a request may transfer nothing; 0 is 30 s.
	Stall time.Duration

	awake awake.Lock
}

// Uploaded is a completely uploaded file.
type Uploaded struct {
	Job    api.Job
	SHA256 string // of what was sent, here and on the server; lower-case hex
	// AudioOnly reports that only the file's audio was sent.
	AudioOnly bool
	// Identity is the source's; see Source.Identity.
	Identity string
	// Earlier reports that an earlier run uploaded it.
	Earlier bool

	record *uploadRecord
}

// Forget removes the upload's record, so that the next run uploads the file again. It
// may be called after Close.
func (u *Uploaded) Forget() { u.record.remove() }

// Close allows other processes to upload the file.
func (u *Uploaded) Close() { u.record.close() }

// maxRestarts is the maximum number of times that one run starts again because the
// server no longer has the upload.
const maxRestarts = 2

// Upload uploads what is sent of a file (see Source), or continues where an earlier run
// stopped, and compares the digests. The record is kept until Forget; the caller must call
// Close. If the file changes meanwhile, the error is an *sx.Error of code invalid.
func (u *Uploader) Upload(ctx context.Context, f mediafiles.File, options sx.Options, progress Progress) (*Uploaded, error) {
	rec, err := u.Records.open(f, options)
	if err != nil {
		return nil, err
	}
	uploaded, err := u.upload(ctx, f, options, progress, rec)
	if err != nil {
		rec.close()
		return nil, err
	}
	return uploaded, nil
}

func (u *Uploader) upload(ctx context.Context, f mediafiles.File, options sx.Options, progress Progress, rec *uploadRecord) (*Uploaded, error) {
	src, err := u.open(ctx, f, options, progress)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	head, err := src.head(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	up := &upload{
		Uploader: u, file: f, src: src, head: head, options: options, progress: progress, rec: rec,
		retry: u.Policy.Start(progress), tus: tus.Client{API: u.API}, stall: cmp.Or(u.Stall, stallTimeout),
		digest: startDigest(ctx, src, src.Size()),
	}
	return up.run(ctx)
}

// open opens the source and says what is sent of it.
func (u *Uploader) open(ctx context.Context, f mediafiles.File, options sx.Options, progress Progress) (*Source, error) {
	opened := sayReading(progress)
	src, err := OpenSource(ctx, f, options, u.WholeFile)
	opened()
	switch {
	case err != nil:
		return nil, err
	case src.AudioOnly():
		progress.Say("%s of audio from %s; the video stays here", sx.FormatSize(src.Size()), sx.FormatSize(f.Size))
	default:
		progress.Explain("the whole file is sent: %s", src.WholeReason())
	}
	return src, nil
}

// Started reports whether an earlier run started the upload of the file.
func (u *Uploader) Started(f mediafiles.File, options sx.Options) bool {
	name, err := u.Records.fingerprint(f, options)
	if err != nil {
		return false
	}
	rec, err := readRecord(u.Records.file(name))
	return err == nil && rec.ID != ""
}

// upload is the upload of one file.
type upload struct {
	*Uploader
	file     mediafiles.File
	src      *Source
	head     string // see Source.head
	options  sx.Options
	progress Progress
	rec      *uploadRecord
	retry    *Retry
	tus      tus.Client
	stall    time.Duration
	digest   *fileDigest
}

func (u *upload) run(ctx context.Context) (*Uploaded, error) {
	u.removeStale(ctx)
	u.checkForm(ctx)
	for restarts := 0; ; restarts++ {
		uploaded, err := u.once(ctx)
		if err == nil {
			return uploaded, nil
		}
		var source *tus.SourceError
		code := sx.CodeOf(err)
		gone := code == sx.CodeNotFound || code == sx.CodeUploadExpired
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &source):
			if changed := u.checkUnchanged(); changed != nil {
				u.remove(ctx, u.rec)
				return nil, changed
			}
			return nil, readFailed(ctx, source.Err)
		case errors.Is(err, errChanged):
			u.remove(ctx, u.rec)
			return nil, err
		case gone && u.rec.ID != "" && restarts < maxRestarts:
			u.progress.Say("the server no longer has the unfinished upload, starting again")
			u.rec.remove()
		case gone, code.Permanent() && !fromProxy(err):
			u.rec.remove()
			return nil, err
		default:
			return nil, err // record and upload are kept, so that the next run continues
		}
	}
}

// once continues the recorded upload, or starts one.
func (u *upload) once(ctx context.Context) (*Uploaded, error) {
	resumed := u.rec.ID != ""
	if resumed {
		job, err := u.job(ctx)
		if err != nil {
			return nil, err
		}
		switch {
		case job.State == sx.StateUploading:
		case job.Sent.SHA256 != "" && job.State != sx.StateExpired:
			u.progress.Say("already uploaded, verifying")
			uploaded, err := u.verify(ctx)
			if err != nil {
				return nil, err
			}
			uploaded.Earlier = true
			return uploaded, nil
		default: // cancelled or expired: the server no longer has the bytes
			return nil, sx.NewError(sx.CodeUploadExpired, "the upload is %s", job.State)
		}
	} else if err := u.create(ctx); err != nil {
		return nil, err
	}
	s := &sender{
		client: u.tus, id: u.rec.ID, src: u.src, size: u.src.Size(), check: u.checkUnchanged,
		progress: u.progress, retry: u.retry, stall: u.stall, limit: u.Limit,
	}
	if resumed {
		if err := s.findOffset(ctx); err != nil {
			return nil, err
		}
		sayResumed(u.progress, s.offset, s.size)
	}
	u.progress.Start("uploading", s.offset, s.size)
	defer u.awake.Hold(ctx)()
	if err := s.send(ctx); err != nil {
		return nil, err
	}
	return u.verify(ctx)
}

// create starts the upload on the server and records it.
func (u *upload) create(ctx context.Context) error {
	metadata := api.UploadMetadata(sx.NewUpload{
		Source: sx.Source{Name: u.file.Name, Size: u.file.Size, Identity: u.src.Form()}, // with the digest once it is complete
		Size:   u.src.Size(), AudioOnly: u.src.AudioOnly(), Options: u.options, Labels: u.Labels,
	})
	err := u.retry.Do(ctx, func(ctx context.Context) error {
		return watched(ctx, u.stall, func(ctx context.Context) (err error) {
			u.rec.ID, err = u.tus.Create(ctx, u.src.Size(), metadata)
			return err
		})
	})
	if err != nil {
		return err
	}
	u.rec.Created, u.rec.Form, u.rec.Sent, u.rec.Head = time.Now().UTC(), u.src.Form(), u.src.Size(), u.head
	return u.rec.save()
}

func (u *upload) job(ctx context.Context) (job api.Job, err error) {
	err = u.retry.Do(ctx, func(ctx context.Context) error {
		return watched(ctx, u.stall, func(ctx context.Context) (err error) {
			job, err = u.API.Job(ctx, u.rec.ID)
			return err
		})
	})
	return job, err
}

// verify waits until the server has the complete file and compares the digests.
func (u *upload) verify(ctx context.Context) (*Uploaded, error) {
	u.progress.Percent("verifying", 100, 0)
	sum, err := u.digest.wait(ctx)
	if err != nil {
		return nil, err
	}
	job, err := u.complete(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.checkUnchanged(); err != nil {
		return nil, err
	}
	if job.Sent.SHA256 != sum {
		return nil, sx.NewError(sx.CodeInvalid,
			"the stored video differs from the file, which changed during the upload or was damaged in transit").
			WithHint("run the same command to upload it again").WithCause(errChanged)
	}
	return &Uploaded{
		Job: job, SHA256: sum, AudioOnly: u.src.AudioOnly(), Identity: u.src.Form() + ":" + sum, record: u.rec,
	}, nil
}

// The pauses between polls of an upload for completion, which usually is immediate.
const (
	firstPoll   = 50 * time.Millisecond
	longestPoll = 2 * time.Second
)

// complete waits until the server has completed the upload.
func (u *upload) complete(ctx context.Context) (api.Job, error) {
	deadline := time.Now().Add(u.Policy.Timeout)
	for pause := firstPoll; ; pause = min(pause*2, longestPoll) {
		job, err := u.job(ctx)
		switch {
		case err != nil:
			return job, err
		case job.Sent.SHA256 != "":
			return job, nil
		case job.State != sx.StateUploading && job.Error != nil:
			return job, job.Error.ToError()
		case job.State != sx.StateUploading:
			return job, sx.NewError(sx.CodeConflict, "the upload was %s meanwhile", job.State).
				WithHint("run the same command to upload it again")
		case time.Now().After(deadline):
			return job, sx.NewError(sx.CodeUnavailable, "the server has all bytes but does not complete the upload").
				WithHint("run the same command again to check whether it is complete")
		}
		if err := backoff.Sleep(ctx, pause); err != nil {
			return job, err
		}
	}
}

var errChanged = errors.New("the file changed")

// checkUnchanged returns an error if the file has changed since it was found.
func (u *upload) checkUnchanged() error {
	info, err := os.Stat(u.file.Path)
	if err != nil || info.Size() != u.file.Size || !info.ModTime().Equal(u.file.ModTime) {
		return sx.NewError(sx.CodeInvalid, "changed during the upload").
			WithHint("once nothing writes to the file any more, run the same command to upload it again").WithCause(errChanged)
	}
	return nil
}

const removeTimeout = 5 * time.Second

// remove removes an upload's record and, if the server responds soon, the upload,
// which otherwise expires.
func (u *upload) remove(ctx context.Context, rec *uploadRecord) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if rec.ID != "" {
		_ = u.API.Remove(ctx, rec.ID)
	}
	rec.remove()
}

// checkForm drops the record of an upload of other bytes of the same file: of the whole
// file instead of its audio, or of an earlier form of it.
func (u *upload) checkForm(ctx context.Context) {
	rec := u.rec
	if rec.ID == "" || rec.Form == u.src.Form() && rec.Sent == u.src.Size() && rec.Head == u.head {
		return
	}
	u.progress.Say("something else of it was sent before, starting again")
	u.abandon(ctx, rec)
	rec.remove()
}

// removeStale removes unfinished uploads of earlier contents of the file.
func (u *upload) removeStale(ctx context.Context) {
	for _, old := range u.Records.stale(u.file) {
		if u.abandon(ctx, old) {
			u.progress.Say("changed since its upload started, starting again")
		}
		old.close()
	}
}

// abandon removes an upload that is not complete, and its record. It reports whether
// there was one. The job of a complete upload is kept.
func (u *upload) abandon(ctx context.Context, rec *uploadRecord) bool {
	lookup, cancel := context.WithTimeout(ctx, removeTimeout)
	job, err := u.API.Job(lookup, rec.ID)
	cancel()
	switch {
	case err == nil && job.State == sx.StateUploading:
		u.remove(ctx, rec)
		return true
	case err == nil || sx.CodeOf(err) == sx.CodeNotFound:
		rec.remove()
	}
	return false
}
