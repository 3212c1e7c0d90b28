package fetch

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/sx"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
)

// Result is what is printed of an MP3 that is on the disk.
type Result struct {
	ID       string  `json:"id"`
	Name     string  `json:"name,omitempty"` // the video's, where it was named
	Path     string  `json:"path"`
	Size     int64   `json:"size"`
	SHA256   string  `json:"sha256"`
	Duration float64 `json:"duration"` // seconds
}

// ResultOf describes the job's MP3 at path.
func ResultOf(job api.Job, path string) Result {
	return Result{ID: job.ID, Path: path, Size: job.Track.Size, SHA256: job.Track.SHA256, Duration: job.Track.Duration}
}

// Printer prints results: for a person what they are, for a program their
// paths or JSON objects, a line each.
type Printer struct {
	Out  io.Writer
	TTY  bool
	JSON bool
}

// Print prints one result with one call of Write.
func (p Printer) Print(r Result) error {
	line := r.Path
	switch {
	case p.JSON:
		raw, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode result: %w", err)
		}
		line = string(raw)
	case p.TTY:
		line += "  " + term.FormatClock(r.Duration)
		if r.Duration > 0 {
			line += fmt.Sprintf("  %.0f kbit/s", float64(r.Size)*8/1000/r.Duration)
		}
		line += "  " + sx.FormatSize(r.Size)
	}
	if _, err := io.WriteString(p.Out, line+"\n"); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
