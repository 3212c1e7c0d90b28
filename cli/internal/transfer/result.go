package transfer

import (
	"fmt"
	"io"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Result describes a downloaded MP3.
type Result struct {
	ID       string  `json:"id"`
	Name     string  `json:"name,omitempty"`   // of the video; "" if unknown
	Number   int     `json:"number,omitempty"` // of the MP3 in its job, if that has several
	Path     string  `json:"path"`
	Existed  bool    `json:"already_there,omitempty"` // before this run
	Size     int64   `json:"size"`
	SHA256   string  `json:"sha256"`
	Duration float64 `json:"duration"` // seconds
	// Sources are the user's files, and Sent is what was sent of them; absent for an MP3
	// that was already there.
	Sources []api.Source `json:"sources,omitempty"`
	Sent    *api.Sent    `json:"sent,omitempty"`
	// Warnings say what is unexpected about the MP3.
	Warnings []api.Warning `json:"warnings"`
}

// ResultOf describes the job's MP3 with the number at path.
func ResultOf(job api.Job, number int, path string) Result {
	t := job.Track(number)
	if len(job.Tracks) == 1 {
		number = 0
	}
	return Result{
		ID: job.ID, Number: number, Path: path, Size: t.Size, SHA256: t.SHA256, Duration: t.Duration,
		Sources: job.Sources, Sent: &job.Sent,
		Warnings: append([]api.Warning{}, job.Warnings...), // never null
	}
}

// Plan is what a command would do for one file (see cmdutil.AddDryRunFlag).
type Plan struct {
	Action string `json:"action"` // such as "convert"
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"` // of the MP3
	// Sources are the names of the files that are joined.
	Sources []string `json:"sources,omitempty"`
}

// ResultPrinter prints one line per result: a description at a terminal, otherwise the
// path or a JSON object.
type ResultPrinter struct {
	Display *term.ProgressDisplay
	TTY     bool
	JSON    bool
}

// Print prints a result in one call of Write.
func (p ResultPrinter) Print(r Result) error {
	if p.JSON {
		return p.Display.WriteJSON(r)
	}
	line := r.Path
	if p.TTY {
		line += "  " + term.FormatClock(r.Duration)
		if r.Duration > 0 {
			line += fmt.Sprintf("  %.0f kbit/s", float64(r.Size)*8/1000/r.Duration)
		}
		line += "  " + sx.FormatSize(r.Size)
	}
	return p.write(line)
}

// PrintPlan prints a plan in one call of Write.
func (p ResultPrinter) PrintPlan(plan Plan) error {
	if p.JSON {
		return p.Display.WriteJSON(plan)
	}
	separator := "\t"
	if p.TTY {
		separator = "  "
	}
	line := plan.Action + separator + plan.Name
	if plan.Path != "" {
		line += separator + plan.Path
	}
	return p.write(line)
}

func (p ResultPrinter) write(line string) error {
	if _, err := io.WriteString(p.Display.Out(), line+"\n"); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
