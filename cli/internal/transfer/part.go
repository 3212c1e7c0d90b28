package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/sx"
)

// maxPartName is the number of bytes of the target's name in that of its partial file,
// so that the latter is not too long where the former is not.
const maxPartName = 200

func partOf(path, job string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%s.part", sx.ShortenName(filepath.Base(path), maxPartName), job))
}

// openPart opens or creates a partial file. It follows no link, which could lead to any
// file, even if one appears meanwhile: O_EXCL never does, and what exists is compared with
// what was opened.
func openPart(part string) (*os.File, error) {
	// The umask applies, as for any new file.
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		return file, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, diskError("write to the directory "+filepath.Dir(part), err)
	}
	special := sx.NewError(sx.CodeInvalid, "%s is not a regular file", part).WithHint("remove it, and run the same command again")
	named, err := os.Lstat(part)
	if err == nil && !named.Mode().IsRegular() { // opening a named pipe would wait
		return nil, special
	}
	if err == nil {
		file, err = os.OpenFile(part, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, diskError("write to the directory "+filepath.Dir(part), err)
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(named, opened) {
		_ = file.Close()
		return nil, special
	}
	return file, nil
}

// toPart completes the partial file. resumed reports whether it already had bytes.
func (d *Downloader) toPart(ctx context.Context, mp3 mp3, part string, progress Progress) (resumed bool, err error) {
	file, err := openPart(part)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	have, err := io.Copy(sum, contextReader{ctx, file})
	if err != nil {
		return false, diskError("read "+part, err)
	}
	resumed = have > 0
	if have > mp3.Size {
		sum, have = sha256.New(), 0
	}
	if have > 0 {
		sayResumed(progress, have, mp3.Size)
	}
	dl := &download{Downloader: d, mp3: mp3, to: file, sum: sum, have: have, progress: progress}
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
