// Package fetch brings MP3s from the server to the disk, or to a stream. A
// download that broke off goes on where it stopped, in the next run too.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/cli/internal/filelock"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Fetcher downloads MP3s. Its methods may be called from several goroutines.
type Fetcher struct {
	API      *client.Client
	Policy   *transfer.Policy
	StateDir string // where downloads that go on are locked
	Force    bool   // replaces files that are there
}

// Check returns an *sx.Error when the path is taken and may not be replaced.
func (f *Fetcher) Check(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.checkFolder(path)
	case err != nil:
		return local("look at "+path, err)
	case info.IsDir():
		return sx.NewError(sx.CodeInvalid, "%s is a folder", path).WithHint("give another name with -o")
	case !f.Force:
		return taken(path)
	}
	return nil
}

func (f *Fetcher) checkFolder(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return sx.NewError(sx.CodeInvalid, "there is no folder %s", filepath.Dir(path)).
			WithHint("make it, or give another place with -o")
	}
	return nil
}

func taken(path string) error {
	return sx.NewError(sx.CodeInvalid, "%s is there already", path).
		WithHint("replace it with --force, or give another name with -o")
}

// Ready returns an *sx.Error that says what to do when the job has no MP3.
func Ready(job api.Job) error {
	switch {
	case job.Track != nil && job.State == sx.StateDone:
		return nil
	case job.State == sx.StateFailed && job.Error != nil:
		return job.Error.ToError()
	case job.State.Final():
		return sx.NewError(sx.CodeInvalid, "the job is %s, there is no MP3", job.State).
			WithHint("look at it with: sx show %s", job.ID)
	default:
		return sx.NewError(sx.CodeInvalid, "the job is %s, there is no MP3 yet", job.State).
			WithHint("wait for it with: sx watch %s", job.ID)
	}
}

// File downloads the job's MP3 to path. The MP3 is written beside path, checked
// and renamed. there says that path had it before.
func (f *Fetcher) File(ctx context.Context, job api.Job, path string, meter transfer.Meter) (there bool, err error) {
	if err := Ready(job); err != nil {
		return false, err
	}
	if same(ctx, path, job.Track) {
		return true, nil
	}
	if err := f.Check(path); err != nil {
		return false, err
	}
	lock, err := f.lock(path)
	if err != nil {
		return false, err
	}
	defer lock.Release()
	part := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%s.part", filepath.Base(path), job.ID))
	again, err := f.toPart(ctx, job, part, meter)
	if errors.Is(err, errDamaged) && again {
		// What an earlier run had left did not fit: all of it anew.
		meter.Say("what was there of it is damaged, starting anew")
		_, err = f.toPart(ctx, job, part, meter)
	}
	if err != nil {
		return false, err
	}
	if err := f.Check(path); err != nil { // someone wrote to it meanwhile
		return false, err
	}
	if err := os.Rename(part, path); err != nil {
		return false, local("rename the MP3 to "+path, err)
	}
	return false, nil
}

func (f *Fetcher) lock(path string) (*filelock.Lock, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, local("find "+path, err)
	}
	name := sha256.Sum256([]byte(abs))
	lock, err := filelock.Try(filepath.Join(f.StateDir, "downloads", hex.EncodeToString(name[:16])+".lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, sx.NewError(sx.CodeInvalid, "another sx is writing %s", path).WithHint("wait for it, or end it")
	}
	return lock, err
}

// same reports whether the file at path is the track.
func same(ctx context.Context, path string, track *api.Track) bool {
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
	_, err = io.Copy(sum, reader{ctx, file})
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == track.SHA256
}

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// toPart completes the partial file. resumed says that it had begun before.
func (f *Fetcher) toPart(ctx context.Context, job api.Job, part string, meter transfer.Meter) (resumed bool, err error) {
	// Made with the rights that the user's umask leaves to any new file.
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return false, local("write to the folder "+filepath.Dir(part), err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	have, err := io.Copy(sum, reader{ctx, file})
	if err != nil {
		return false, local("read "+part, err)
	}
	resumed = have > 0
	if have > job.Track.Size {
		sum, have = sha256.New(), 0
	}
	if resumed && have > 0 {
		meter.Say("going on at %s of %s (%d %%)", sx.FormatSize(have), sx.FormatSize(job.Track.Size), 100*have/job.Track.Size)
	}
	d := &download{Fetcher: f, job: job, to: file, sum: sum, have: have, meter: meter}
	d.rewind = func() error {
		if err := file.Truncate(0); err != nil {
			return local("empty "+part, err)
		}
		_, err := file.Seek(0, io.SeekStart)
		return local("empty "+part, err)
	}
	if have == 0 {
		if err := d.rewind(); err != nil {
			return resumed, err
		}
	}
	if err := d.run(ctx); err != nil {
		if errors.Is(err, errDamaged) {
			_ = os.Remove(part)
		}
		return resumed, err
	}
	if err := file.Sync(); err != nil {
		return resumed, local("write "+part, err)
	}
	return resumed, local("write "+part, file.Close())
}

// Stream writes the job's MP3 to w. Bytes that turn out to be wrong in the end
// cannot be taken back: then it returns an *sx.Error.
func (f *Fetcher) Stream(ctx context.Context, job api.Job, w io.Writer, meter transfer.Meter) error {
	if err := Ready(job); err != nil {
		return err
	}
	d := &download{Fetcher: f, job: job, to: w, sum: sha256.New(), meter: meter}
	return d.run(ctx)
}

type download struct {
	*Fetcher
	job    api.Job
	to     io.Writer
	sum    hash.Hash // of what to has
	have   int64
	rewind func() error // nil where that cannot be done
	meter  transfer.Meter
}
