package localserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const (
	// followInterval is the time between two checks for new lines.
	followInterval = 250 * time.Millisecond
	// maxLogLine is the length in bytes at which a line is cut.
	maxLogLine = 256 << 10
)

// ReadLog calls emit for each line of the log of the directory's server, first those
// before the last rotation. If follow is set, it then waits for new ones until ctx
// ends, and calls caughtUp before. A missing log is an *sx.Error of code not_found.
func ReadLog(ctx context.Context, dir string, follow bool, emit func(line string), caughtUp func()) error {
	path := LogPath(dir)
	if err := readLines(rotated(path), emit); err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sx.NewError(sx.CodeNotFound, "there is no log at %s", path).
			WithHint("start a server that writes it with: sx up -d")
	}
	if err != nil {
		return logError(err)
	}
	defer func() { _ = f.Close() }()
	t := &tailer{file: f, path: path, emit: emit}
	if err := t.read(); err != nil {
		return err
	}
	caughtUp()
	for follow {
		if err := backoff.Sleep(ctx, followInterval); err != nil {
			return err
		}
		if err := t.read(); err != nil {
			return err
		}
		if err := t.reopen(); err != nil {
			return err
		}
	}
	return nil
}

// tailer reads complete lines of a file that grows and may be rotated.
type tailer struct {
	file *os.File
	path string
	rest string // of an incomplete line
	emit func(string)
}

func (t *tailer) read() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.file.Read(buf)
		t.rest += string(buf[:n])
		for {
			line, rest, ok := strings.Cut(t.rest, "\n")
			if !ok && len(t.rest) < maxLogLine {
				break
			}
			t.rest = rest
			t.emit(strings.TrimSuffix(line, "\r"))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return logError(err)
		}
	}
}

// reopen continues with the new file if the log was rotated.
func (t *tailer) reopen() error {
	now, err := os.Stat(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // between the two steps of a rotation
	}
	if err != nil {
		return logError(err)
	}
	if old, err := t.file.Stat(); err == nil && os.SameFile(old, now) {
		return nil
	}
	f, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return logError(err)
	}
	if err := t.read(); err != nil { // what was written last to the old one
		_ = f.Close()
		return err
	}
	_ = t.file.Close()
	t.file, t.rest = f, ""
	return t.read()
}

// readLines calls emit for each line of a file, which may be missing.
func readLines(path string, emit func(string)) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return logError(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		emit(lines.Text())
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return logError(err)
	}
	return nil
}
