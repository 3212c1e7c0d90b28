package localserver

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// maxLog is the size in bytes above which a log is rotated at the next start.
const maxLog = 16 << 20

// logMark is the position in the log where a start's records begin.
type logMark struct {
	path  string
	start int64
}

// openLog opens the directory's log for appending and rotates a large one first.
func openLog(dir string) (*os.File, logMark, error) {
	path := LogPath(dir)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, rotated(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, logMark{}, logError(err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, logMark{}, logError(err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, logMark{}, logError(err)
	}
	return f, logMark{path: path, start: info.Size()}, nil
}

// rotated is the path of the log before the last rotation.
func rotated(path string) string { return path + ".1" }

func logError(err error) error {
	return sx.NewError(sx.CodeInvalid, "cannot write the log of the local server: %s", err).WithCause(err).
		WithHint("make the data directory writable, or choose another one with --data")
}

const (
	tailBytes = 16 << 10
	tailLines = 8
)

// tail returns the last lines since the mark: plain text, such as a panic's, if
// there is any, else the log records.
func (m logMark) tail() string {
	var plain, all []string
	for _, line := range m.lines() {
		all = append(all, line)
		if !strings.HasPrefix(line, "{") {
			plain = append(plain, line)
		}
	}
	if len(plain) == 0 {
		plain = all
	}
	return strings.Join(plain[max(0, len(plain)-tailLines):], "\n")
}

// errorRecord is an error record of the log.
type errorRecord struct {
	Level, Error, Hint string
	Code               sx.Code
}

// lastError returns the last error record since the mark, or nil.
func (m logMark) lastError() *errorRecord {
	lines := m.lines()
	for _, line := range slices.Backward(lines) {
		var record errorRecord
		if json.Unmarshal([]byte(line), &record) == nil && record.Level == "ERROR" && record.Error != "" {
			return &record
		}
	}
	return nil
}

// lines returns the last lines since the mark, none if the log cannot be read.
func (m logMark) lines() []string {
	f, err := os.Open(m.path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(m.start, info.Size()-tailBytes)
	raw, _ := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from)) // an incomplete tail is better than none
	text := strings.TrimRight(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
