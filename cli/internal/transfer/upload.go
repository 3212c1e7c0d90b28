package transfer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/soundextract/sx/cli/internal/awake"
	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/knownfiles"
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
	Files   *knownfiles.Records // of the identities of files
	// WholeFile sends whole files, not only their audio.
	WholeFile bool
	// Labels and Priority are those of the jobs.
	Labels   []string
	Priority sx.Priority
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

// Reserve waits until no other process sends the file, and reports whether it had to: the
// other one may have done all the work meanwhile. Until in is closed, or what Upload
// returns, other processes wait.
func (u *Uploader) Reserve(ctx context.Context, in *Input, progress Progress) (waited bool, err error) {
	if in.record != nil {
		return false, nil
	}
	in.record, err = u.Records.open(ctx, in.File, in.Options, func() {
		waited = true
		sayWaiting(progress, "another sx is sending this file")
	})
	return waited, err
}

// Upload uploads what is sent of a file (see Source), or continues where an earlier run
// stopped, and compares the digests. It reads more of the file than is sent only if its
// identity is not known. The record is kept until Forget; the caller must call
// Uploaded.Close. If the file changes meanwhile, the error is an *sx.Error of code
// invalid. Upload reserves the file.
func (u *Uploader) Upload(ctx context.Context, in *Input, progress Progress) (*Uploaded, error) {
	if _, err := u.Reserve(ctx, in, progress); err != nil {
		return nil, err
	}
	uploaded, err := u.upload(ctx, in, progress, in.record)
	if err != nil {
		return nil, err
	}
	in.record = nil // it is that of uploaded now
	return uploaded, nil
}

func (u *Uploader) upload(ctx context.Context, in *Input, progress Progress, rec *uploadRecord) (*Uploaded, error) {
	identity, err := in.Identity(progress)
	if err != nil {
		return nil, err
	}
	u.Files.SaveSometimes(ctx) // so that the next run does not read it, if this one is killed
	src, err := in.source(progress)
	if err != nil {
		return nil, err
	}
	if src.AudioOnly() {
		progress.Say("%s of audio from %s; the video stays here", sx.FormatSize(src.Size()), sx.FormatSize(in.File.Size))
	} else {
		progress.Explain("the whole file is sent: %s", src.WholeReason())
	}
	up := &upload{
		Uploader: u, in: in, src: src, identity: identity, progress: progress, rec: rec,
		retry: u.Policy.Start(progress), tus: tus.Client{API: u.API}, stall: cmp.Or(u.Stall, stallTimeout),
	}
	return up.run(ctx)
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
	in       *Input
	src      *Source
	identity string
	progress Progress
	rec      *uploadRecord
	retry    *Retry
	tus      tus.Client
	stall    time.Duration
}

func (u *upload) run(ctx context.Context) (*Uploaded, error) {
	u.removeStale(ctx)
	u.checkIdentity(ctx)
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
			if changed := u.in.checkUnchanged(); changed != nil {
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
		client: u.tus, id: u.rec.ID, src: u.src, size: u.src.Size(), check: u.in.checkUnchanged,
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

// create starts the upload on the server and records it. The idempotency key is recorded
// before: if the response is lost, neither another attempt nor another run starts a second
// upload, which the quota would count.
func (u *upload) create(ctx context.Context) error {
	described := sx.NewUpload{
		Source: sx.Source{Name: u.in.File.Name, Size: u.in.File.Size, Identity: u.src.Form()}, // with the digest once it is complete
		Size:   u.src.Size(), AudioOnly: u.src.AudioOnly(), Options: u.in.Options, Labels: u.Labels, Priority: u.Priority,
	}
	if described.Joined = u.src.sources(u.in.File); described.Joined != nil {
		described.Source = sx.Source{Name: u.in.File.Name}
	}
	metadata := api.UploadMetadata(described)
	for {
		repeated := u.rec.Key != ""
		if !repeated {
			u.rec.Key, u.rec.Created, u.rec.Identity = rand.Text(), time.Now().UTC(), u.identity
			if err := u.rec.save(); err != nil {
				return err
			}
		}
		err := u.retry.Do(ctx, func(ctx context.Context) error {
			return watched(ctx, u.stall, func(ctx context.Context) (err error) {
				u.rec.ID, err = u.tus.Create(ctx, u.src.Size(), metadata, u.rec.Key)
				return err
			})
		})
		switch code := sx.CodeOf(err); {
		case err == nil:
			u.rec.Key = ""
			return u.rec.save()
		case repeated && (code == sx.CodeKeyReused || code == sx.CodeNotFound || code == sx.CodeUploadExpired):
			// An earlier run asked for something else, such as other labels, or its upload is gone.
			u.rec.Key = ""
		default:
			return err
		}
	}
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
	job, err := u.complete(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.in.checkUnchanged(); err != nil {
		return nil, err
	}
	stored := u.src.identityOf(job.Sent.SHA256)
	if stored != u.identity { // which may be an earlier run's, of a file that changed and looks the same
		if u.identity, err = u.in.reread(u.progress); err != nil {
			return nil, err
		}
	}
	if stored != u.identity {
		return nil, sx.NewError(sx.CodeInvalid,
			"the stored video differs from the file, which changed during the upload or was damaged in transit").
			WithHint("run the same command to upload it again").WithCause(errChanged)
	}
	return &Uploaded{
		Job: job, SHA256: job.Sent.SHA256, AudioOnly: u.src.AudioOnly(), Identity: u.identity, record: u.rec,
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

// checkIdentity drops the record of an upload of other bytes of the same file: of the
// whole file instead of its audio, or of contents that looked the same.
func (u *upload) checkIdentity(ctx context.Context) {
	rec := u.rec
	if rec.ID == "" || rec.Identity == u.identity {
		return
	}
	u.progress.Say("an earlier run sent other bytes of it, starting again")
	u.abandon(ctx, rec)
	rec.remove()
}

// removeStale removes unfinished uploads of earlier contents of the file.
func (u *upload) removeStale(ctx context.Context) {
	for _, old := range u.Records.stale(u.in.File) {
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
