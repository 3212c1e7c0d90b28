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

	"github.com/soundextract/sx/cli/internal/bandwidth"
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
	// Inputs are the files that are converted in this run, which no MP3 replaces.
	Inputs []fs.FileInfo
	// Confined is the directory into which MP3s are written by names from the server;
	// no symbolic link below it is followed. "" if the user names the files.
	Confined string
	// Limit limits the rate of all downloads together; nil is no limit.
	Limit *bandwidth.Limit
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

// File downloads the job's MP3 with the number to a temporary file next to path, verifies it and
// renames it to path. It creates missing directories and follows links. Into a device or
// named pipe, the MP3 is written directly. While another process writes to path, File
// waits. It returns true if path already was that MP3.
func (d *Downloader) File(ctx context.Context, job api.Job, number int, path string, progress Progress) (existed bool, err error) {
	mp3, err := mp3Of(job, number)
	if err != nil {
		return false, err
	}
	to, existed, err := d.prepare(ctx, mp3, path)
	switch {
	case existed || err != nil:
		return existed, err
	case to.special():
		return false, d.toSpecial(ctx, mp3, to.path, progress)
	}
	lock, waited, err := d.lock(ctx, to.path, progress)
	if err != nil {
		return false, err
	}
	defer lock.Release()
	if waited { // the other process may have written the same MP3, or another one
		at := to.path
		if to, existed, err = d.prepare(ctx, mp3, path); existed || err != nil {
			return existed, err
		}
		if to.path != at || to.special() {
			return false, changedMeanwhile(path)
		}
	}
	return false, d.toFile(ctx, mp3, path, to.path, progress)
}

// prepare resolves path and checks that the MP3 can be written to it. existed reports
// that it already is that MP3.
func (d *Downloader) prepare(ctx context.Context, mp3 mp3, path string) (to target, existed bool, err error) {
	if to, err = d.resolve(path); err != nil {
		return to, false, err
	}
	if to.info != nil && !d.isInput(to.info) && hasDigest(ctx, to.path, &mp3.Track) {
		return to, true, nil
	}
	return to, false, d.CheckTarget(path)
}

// toFile downloads the MP3 to the file, to which path leads.
func (d *Downloader) toFile(ctx context.Context, mp3 mp3, path, file string, progress Progress) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil { // the umask applies, as to mkdir
		return diskError("create the directory "+filepath.Dir(file), err)
	}
	part := partOf(file, mp3.job)
	resumed, err := d.toPart(ctx, mp3, part, progress)
	if errors.Is(err, errDamaged) && resumed {
		progress.Say("the partial download is damaged, starting again")
		_, err = d.toPart(ctx, mp3, part, progress)
	}
	if err != nil {
		return err
	}
	now, err := d.resolve(path)
	if err == nil {
		err = d.checkReplaceable(path, now) // another program may have written to it meanwhile
	}
	if err != nil {
		return err
	}
	if now.path != file || now.special() {
		return changedMeanwhile(path)
	}
	if err := os.Rename(part, file); err != nil {
		return diskError("rename the MP3 to "+path, err)
	}
	return nil
}

func changedMeanwhile(path string) error {
	return sx.NewError(sx.CodeInvalid, "%s changed during the download", path).
		WithHint("run the same command again")
}

// toSpecial writes the MP3 into a device or named pipe.
func (d *Downloader) toSpecial(ctx context.Context, mp3 mp3, path string, progress Progress) error {
	type opened struct {
		file *os.File
		err  error
	}
	open := make(chan opened, 1)
	go func() { // opening a named pipe waits for its reader
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		open <- opened{file, err}
	}()
	select {
	case o := <-open:
		if o.err != nil {
			return diskError("write to "+path, o.err)
		}
		defer func() { _ = o.file.Close() }()
		if err := d.stream(ctx, mp3, o.file, progress); err != nil {
			return err
		}
		return diskError("write to "+path, o.file.Close())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lock takes the lock of the file at path, and reports whether another process had it.
func (d *Downloader) lock(ctx context.Context, path string, progress Progress) (lock *filelock.Lock, waited bool, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, false, diskError("find "+path, err)
	}
	name := sha256.Sum256([]byte(abs))
	lock, err = filelock.Wait(ctx, filepath.Join(d.StateDir, "downloads", hex.EncodeToString(name[:16])+".lock"), func() {
		waited = true
		sayWaiting(progress, "another sx is writing "+path)
	})
	return lock, waited, err
}

// Stream writes the job's only MP3 to w. If the digest does not match, it returns an
// *sx.Error, after all bytes have been written.
func (d *Downloader) Stream(ctx context.Context, job api.Job, w io.Writer, progress Progress) error {
	mp3, err := mp3Of(job, 1)
	if err != nil {
		return err
	}
	if n := len(job.Tracks); n > 1 {
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "the job has %d MP3s, and only one can be written to standard output", n),
			"download them into a directory: %s", nextcmd.Command{"download", job.ID, "-o", "DIR/"})
	}
	return d.stream(ctx, mp3, w, progress)
}

func (d *Downloader) stream(ctx context.Context, mp3 mp3, w io.Writer, progress Progress) error {
	dl := &download{Downloader: d, mp3: mp3, to: w, sum: sha256.New(), progress: progress}
	return dl.run(ctx)
}

// mp3 is an MP3 of a job.
type mp3 struct {
	job string // its ID
	api.Track
}

// mp3Of returns the job's MP3 with the number.
func mp3Of(job api.Job, number int) (mp3, error) {
	if err := CheckConverted(job); err != nil {
		return mp3{}, err
	}
	t := job.Track(number)
	if t == nil {
		return mp3{}, sx.NewError(sx.CodeNotFound, "the job has no MP3 with the number %d", number)
	}
	return mp3{job.ID, *t}, nil
}

// download is the download of one MP3.
type download struct {
	*Downloader
	mp3      mp3
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
	size := d.mp3.Size
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
	if hex.EncodeToString(d.sum.Sum(nil)) != d.mp3.SHA256 {
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
	res, err := d.API.Track(ctx, d.mp3.job, d.mp3.Number, d.have, `"`+d.mp3.SHA256+`"`)
	if err != nil {
		return stallError(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := d.align(res); err != nil {
		return err
	}
	buffer, body := make([]byte, downloadBlock), d.Limit.Reader(ctx, res.Body)
	for d.have < d.mp3.Size {
		n, err := body.Read(buffer[:min(downloadBlock, d.mp3.Size-d.have)])
		dog.reset()
		if writeErr := d.write(buffer[:n]); writeErr != nil {
			return writeErr
		}
		if err != nil && d.have < d.mp3.Size {
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
