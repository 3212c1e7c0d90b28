package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/filelock"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Downloader downloads MP3s. Its methods may be called from several goroutines.
type Downloader struct {
	API      *client.Client
	Policy   *Policy
	StateDir string // contains the locks of running downloads
	Force    bool   // replace existing files
}

// CheckTarget returns an *sx.Error if the MP3 cannot be written to path.
func (d *Downloader) CheckTarget(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkDir(path)
	case err != nil:
		return diskError("access "+path, err)
	case info.IsDir():
		return sx.NewError(sx.CodeInvalid, "%s is a directory", path).WithHint("give another name with -o")
	case !d.Force:
		return sx.NewError(sx.CodeInvalid, "%s already exists", path).
			WithHint("replace it with --force, or give another name with -o")
	}
	return nil
}

func checkDir(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return sx.NewError(sx.CodeInvalid, "%s: no such directory", filepath.Dir(path)).
			WithHint("create it, or give another one with -o")
	}
	return nil
}

// CheckConverted returns an error with a code and a hint if the job has no MP3.
func CheckConverted(job api.Job) error {
	switch {
	case job.Track(1) != nil && job.State == sx.StateDone:
		return nil
	case job.State == sx.StateFailed && job.Error != nil:
		return &cmdutil.JobError{Job: job.ID, Err: job.Error.ToError()}
	case job.State.Final():
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "the job is %s and has no MP3", job.State),
			"show it with: %s", nextcmd.Command{"show", job.ID})
	default:
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "the job is %s and has no MP3 yet", job.State),
			"wait for it with: %s", nextcmd.Command{"watch", job.ID})
	}
}

// File downloads the job's MP3 to a temporary file next to path, verifies it and
// renames it to path. It returns true if path already was that MP3.
func (d *Downloader) File(ctx context.Context, job api.Job, path string, progress Progress) (existed bool, err error) {
	if err := CheckConverted(job); err != nil {
		return false, err
	}
	if hasDigest(ctx, path, job.Track(1)) {
		return true, nil
	}
	if err := d.CheckTarget(path); err != nil {
		return false, err
	}
	lock, err := d.lock(path)
	if err != nil {
		return false, err
	}
	defer lock.Release()
	part := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%s.part", filepath.Base(path), job.ID))
	resumed, err := d.toPart(ctx, job, part, progress)
	if errors.Is(err, errDamaged) && resumed {
		progress.Say("the partial download is damaged, starting again")
		_, err = d.toPart(ctx, job, part, progress)
	}
	if err != nil {
		return false, err
	}
	if err := d.CheckTarget(path); err != nil { // another program wrote to it meanwhile
		return false, err
	}
	if err := os.Rename(part, path); err != nil {
		return false, diskError("rename the MP3 to "+path, err)
	}
	return false, nil
}

func (d *Downloader) lock(path string) (*filelock.Lock, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, diskError("find "+path, err)
	}
	name := sha256.Sum256([]byte(abs))
	lock, err := filelock.Try(filepath.Join(d.StateDir, "downloads", hex.EncodeToString(name[:16])+".lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, sx.NewError(sx.CodeInvalid, "another sx is writing %s", path).WithHint("wait for it, or end it")
	}
	return lock, err
}

// hasDigest reports whether the file at path is the track.
func hasDigest(ctx context.Context, path string, track *api.Track) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != track.Size {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, contextReader{ctx, file})
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == track.SHA256
}

// contextReader returns the error of its context once that has ended.
type contextReader struct {
	ctx context.Context //nolint:containedctx // used for one copy
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// toPart completes the partial file. resumed reports whether it already had bytes.
func (d *Downloader) toPart(ctx context.Context, job api.Job, part string, progress Progress) (resumed bool, err error) {
	// The umask applies, as for any new file.
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return false, diskError("write to the directory "+filepath.Dir(part), err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	have, err := io.Copy(sum, contextReader{ctx, file})
	if err != nil {
		return false, diskError("read "+part, err)
	}
	resumed = have > 0
	if have > job.Track(1).Size {
		sum, have = sha256.New(), 0
	}
	if have > 0 {
		sayResumed(progress, have, job.Track(1).Size)
	}
	dl := &download{Downloader: d, job: job, to: file, sum: sum, have: have, progress: progress}
	dl.rewind = func() error {
		if err := file.Truncate(0); err != nil {
			return diskError("truncate "+part, err)
		}
		_, err := file.Seek(0, io.SeekStart)
		return diskError("truncate "+part, err)
	}
	if have == 0 {
		if err := dl.rewind(); err != nil {
			return resumed, err
		}
	}
	if err := dl.run(ctx); err != nil {
		if errors.Is(err, errDamaged) {
			_ = os.Remove(part)
		}
		return resumed, err
	}
	if err := file.Sync(); err != nil {
		return resumed, diskError("write "+part, err)
	}
	return resumed, diskError("write "+part, file.Close())
}

// Stream writes the job's MP3 to w. If the digest does not match, it returns an
// *sx.Error, after all bytes have been written.
func (d *Downloader) Stream(ctx context.Context, job api.Job, w io.Writer, progress Progress) error {
	if err := CheckConverted(job); err != nil {
		return err
	}
	dl := &download{Downloader: d, job: job, to: w, sum: sha256.New(), progress: progress}
	return dl.run(ctx)
}

// download is the download of one MP3.
type download struct {
	*Downloader
	job      api.Job
	to       io.Writer
	sum      hash.Hash    // of the bytes written
	have     int64        // the number of bytes written
	rewind   func() error // truncates to; nil if that is impossible
	progress Progress
}

// errDamaged means that the MP3 differs from the server's.
var errDamaged = errors.New("the digests differ")

const downloadBlock = 256 << 10

// run downloads the missing bytes, reconnecting until the retry timeout, and verifies
// the digest.
func (d *download) run(ctx context.Context) error {
	size := d.job.Track(1).Size
	d.progress.Start("downloading", d.have, size)
	retry := d.Policy.Start(d.progress)
	for d.have < size {
		before := d.have
		err := d.once(ctx)
		if d.have > before {
			retry.Progress()
		}
		if err == nil {
			continue
		}
		if err := retry.Pause(ctx, err); err != nil {
			return err
		}
	}
	if hex.EncodeToString(d.sum.Sum(nil)) != d.job.Track(1).SHA256 {
		return sx.NewError(sx.CodeInternal, "the downloaded MP3 is damaged").
			WithHint("run the same command to download it again").WithCause(errDamaged)
	}
	return nil
}

// once sends one request and reads the response to its end. It returns an error if the
// response ends early.
func (d *download) once(ctx context.Context) error {
	ctx, dog := watch(ctx, stallTimeout)
	defer dog.stop()
	// The ETag is the digest: a track that was converted again is sent as a whole.
	res, err := d.API.Track(ctx, d.job.ID, 1, d.have, `"`+d.job.Track(1).SHA256+`"`)
	if err != nil {
		return stallError(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := d.align(res); err != nil {
		return err
	}
	buffer := make([]byte, downloadBlock)
	for d.have < d.job.Track(1).Size {
		n, err := res.Body.Read(buffer[:min(downloadBlock, d.job.Track(1).Size-d.have)])
		dog.reset()
		if writeErr := d.write(buffer[:n]); writeErr != nil {
			return writeErr
		}
		if err != nil && d.have < d.job.Track(1).Size {
			return readError(ctx, res, err)
		}
	}
	return nil
}

func (d *download) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if _, err := d.to.Write(p); err != nil {
		return diskError("write the MP3", err)
	}
	d.sum.Write(p)
	d.have += int64(len(p))
	d.progress.Set(d.have)
	return nil
}

// readError returns the error for a response that ended early with err.
func readError(ctx context.Context, res *http.Response, err error) error {
	if ctx.Err() != nil {
		return stallError(ctx, ctx.Err())
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &client.Unreachable{Server: res.Request.URL.Host, Err: err}
}

// align skips or discards bytes so that the response continues where to ends.
func (d *download) align(res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusPartialContent:
		if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", d.have)) {
			return sx.NewError(sx.CodeUnavailable, "the server sent a range other than the requested one (%s)", got)
		}
		return nil
	case res.StatusCode != http.StatusOK:
		return sx.NewError(sx.CodeUnavailable, "the server responded with %s", res.Status)
	case d.have == 0:
		return nil
	case d.rewind != nil:
		d.sum, d.have = sha256.New(), 0
		d.progress.Set(0)
		return d.rewind()
	}
	if _, err := io.CopyN(io.Discard, res.Body, d.have); err != nil {
		return &client.Unreachable{Server: res.Request.URL.Host, Err: err}
	}
	return nil
}

// diskError adds a code and a hint to an error of the local disk.
func diskError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err):
		return sx.NewError(sx.CodeStorageFull, "cannot %s: the local disk is full", doing).
			WithHint("free disk space and run the same command again to continue where it stopped").WithCause(err)
	case errors.Is(err, context.Canceled):
		return err
	}
	var path interface{ Unwrap() error }
	reason := err
	if errors.As(err, &path) && path.Unwrap() != nil {
		reason = path.Unwrap() // without the path, which doing contains
	}
	return sx.NewError(sx.CodeInvalid, "cannot %s: %v", doing, reason).
		WithHint("check the path and its permissions, or give another one with -o").WithCause(err)
}
