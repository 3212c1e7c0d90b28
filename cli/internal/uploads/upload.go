package uploads

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/cli/internal/tus"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Uploader uploads files. Its method may be called from several goroutines.
type Uploader struct {
	API     *client.Client
	Policy  *transfer.Policy
	Records Records
}

// Sent is a file that the server has whole.
type Sent struct {
	Job    api.Job
	SHA256 string // of the file, the same on both sides; lower-case hex
	// Earlier says that it was there before this run.
	Earlier bool

	record *record
}

// Forget says that the command is through with its work, so that it starts anew
// the next time. It may be called after Close.
func (s *Sent) Forget() { s.record.forget() }

// Close lets other runs of sx at the file.
func (s *Sent) Close() { s.record.close() }

// maxRestarts bounds how often one run begins a file anew because the server
// lost the upload.
const maxRestarts = 2

// Upload brings a file to the server, or goes on with it where an earlier run
// stopped, and compares the digests. The record of it stays until Forget; the
// caller has to call Close. A file that changed meanwhile is an *sx.Error of
// code invalid.
func (u *Uploader) Upload(ctx context.Context, f mediafiles.File, options sx.Options, meter transfer.Meter) (*Sent, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "cannot be opened any more").
			WithHint("check that it is still there and run the same command again").WithCause(err)
	}
	defer func() { _ = file.Close() }()
	rec, err := u.Records.open(f, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := &run{
		Uploader: u, f: f, src: file, options: options, meter: meter, rec: rec,
		retry: u.Policy.Start(meter), tus: &tus.Client{API: u.API, Stall: transfer.Stall},
		digest: startDigest(ctx, file, f.Size),
	}
	sent, err := run.upload(ctx)
	if err != nil {
		rec.close()
		return nil, err
	}
	return sent, nil
}

// Remembered reports whether an earlier run has begun the upload of the file.
func (u *Uploader) Remembered(f mediafiles.File, options sx.Options) bool {
	name, err := u.Records.fingerprint(f, options)
	if err != nil {
		return false
	}
	rec, err := read(u.Records.file(name))
	return err == nil && rec.ID != ""
}

// run is the upload of one file.
type run struct {
	*Uploader
	f       mediafiles.File
	src     io.ReaderAt
	options sx.Options
	meter   transfer.Meter
	rec     *record
	retry   *transfer.Retry
	tus     *tus.Client
	digest  *digest
}

func (r *run) upload(ctx context.Context) (*Sent, error) {
	r.dropStale(ctx)
	for restarts := 0; ; restarts++ {
		sent, err := r.once(ctx)
		if err == nil {
			return sent, nil
		}
		var source *tus.SourceError
		switch code := sx.CodeOf(err); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &source):
			if changed := r.unchanged(); changed != nil {
				return nil, r.drop(ctx, changed)
			}
			return nil, sx.NewError(sx.CodeInvalid, "cannot be read to its end: %v", source.Err).
				WithHint("check the disk it is on, then run the same command again").WithCause(err)
		case errors.Is(err, errChanged):
			return nil, r.drop(ctx, err)
		case r.rec.ID != "" && restarts < maxRestarts && (code == sx.CodeNotFound || code == sx.CodeUploadExpired):
			r.meter.Say("the server no longer has the unfinished upload, starting anew")
			r.rec.forget()
		case refusedForGood(code):
			r.rec.forget()
			return nil, err
		default:
			return nil, err // the record stays, and so does what is on the server
		}
	}
}

// refusedForGood reports whether going on with the upload would be refused again.
func refusedForGood(code sx.Code) bool {
	switch code {
	case sx.CodeNotMedia, sx.CodePlaylist, sx.CodeTooLarge, sx.CodeNotFound, sx.CodeUploadExpired:
		return true
	}
	return false
}

// once goes on with the remembered upload, or begins one, to its end.
func (r *run) once(ctx context.Context) (*Sent, error) {
	resumed := r.rec.ID != ""
	if resumed {
		job, err := r.job(ctx)
		if err != nil {
			return nil, err
		}
		switch {
		case job.State == sx.StateUploading:
		case job.Video.SHA256 != "" && job.State != sx.StateExpired:
			r.meter.Say("was uploaded before, comparing")
			sent, err := r.verify(ctx)
			if err != nil {
				return nil, err
			}
			sent.Earlier = true
			return sent, nil
		default: // cancelled or expired, its bytes are gone
			return nil, sx.NewError(sx.CodeUploadExpired, "the upload is %s", job.State)
		}
	} else if err := r.create(ctx); err != nil {
		return nil, err
	}
	up := &tus.Upload{ID: r.rec.ID, Src: r.src, Size: r.f.Size, Check: r.unchanged, Meter: r.meter, Retry: r.retry}
	if resumed {
		if err := r.tus.Find(ctx, up); err != nil {
			return nil, err
		}
		r.meter.Say("going on at %s of %s (%d %%)", sx.FormatSize(up.Offset), sx.FormatSize(up.Size), 100*up.Offset/up.Size)
	}
	r.meter.Start("uploading", up.Offset, up.Size)
	if err := r.tus.Send(ctx, up); err != nil {
		return nil, err
	}
	return r.verify(ctx)
}

// create begins the upload on the server and remembers it.
func (r *run) create(ctx context.Context) error {
	metadata := map[string]string{api.MetaFilename: r.f.Name}
	if r.options.Preset != "" {
		metadata[api.MetaPreset] = string(r.options.Preset)
	}
	if r.options.Bitrate != 0 {
		metadata[api.MetaBitrate] = strconv.Itoa(r.options.Bitrate)
	}
	if r.options.Quality != nil {
		metadata[api.MetaQuality] = strconv.Itoa(*r.options.Quality)
	}
	if r.options.Mono {
		metadata[api.MetaMono] = "true"
	}
	if r.options.Track != "" {
		metadata[api.MetaTrack] = r.options.Track
	}
	err := r.retry.Do(ctx, func(ctx context.Context) (err error) {
		r.rec.ID, err = r.tus.Create(ctx, r.f.Size, metadata)
		return err
	})
	if err != nil {
		return err
	}
	r.rec.Created = time.Now().UTC()
	return r.rec.save()
}

func (r *run) job(ctx context.Context) (job api.Job, err error) {
	err = r.retry.Do(ctx, func(ctx context.Context) error {
		ctx, dog := transfer.Watch(ctx, transfer.Stall)
		defer dog.Stop()
		job, err = r.API.Job(ctx, r.rec.ID)
		return transfer.Cause(ctx, err)
	})
	return job, err
}

var errChanged = errors.New("the file changed")

// unchanged compares the file with what it was when it was found.
func (r *run) unchanged() error {
	info, err := os.Stat(r.f.Path)
	if err != nil || info.Size() != r.f.Size || !info.ModTime().Equal(r.f.ModTime) {
		return sx.NewError(sx.CodeInvalid, "changed while it was being uploaded").
			WithHint("once nothing writes to it any more, run the same command again; it starts anew").WithCause(errChanged)
	}
	return nil
}

// drop removes the upload, which is of no use, here and on the server.
func (r *run) drop(ctx context.Context, why error) error {
	r.remove(ctx, r.rec)
	return why
}

const removeWithin = 5 * time.Second

// remove drops an upload as far as the server can be reached at once; else it
// gives the upload up by itself after a while.
func (r *run) remove(ctx context.Context, rec *record) {
	ctx, cancel := context.WithTimeout(ctx, removeWithin)
	defer cancel()
	if rec.ID != "" {
		_ = r.API.Remove(ctx, rec.ID)
	}
	rec.forget()
}

// dropStale gives up what was uploaded of the file before it changed.
func (r *run) dropStale(ctx context.Context) {
	for _, old := range r.Records.stale(r.f) {
		lookup, cancel := context.WithTimeout(ctx, removeWithin)
		job, err := r.API.Job(lookup, old.ID)
		cancel()
		switch {
		case err == nil && job.State == sx.StateUploading:
			r.meter.Say("changed since its upload began, starting anew")
			r.remove(ctx, old)
		case err == nil || sx.CodeOf(err) == sx.CodeNotFound:
			old.forget() // it was uploaded whole, and its job is the user's to keep
		}
		old.close()
	}
}
