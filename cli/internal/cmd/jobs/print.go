package jobs

import (
	"fmt"
	"strconv"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func (o *Options) print(found []api.Job, next string) error {
	if len(found) == 0 {
		o.sayEmpty()
		return nil
	}
	columns := []term.Column{
		{Header: "ID"},
		{Header: "NAME", Shrink: true},
		{Header: "STATE"},
		{Header: "PROGRESS", Right: true},
		{Header: "SIZE", Right: true},
		{Header: "AGE", Right: true},
	}
	rows := make([][]term.Cell, len(found))
	for i, j := range found {
		rows[i] = []term.Cell{
			term.TextCell(j.ID),
			term.TextCell(j.Name),
			{Text: string(j.State), Color: colors[j.State]},
			{Text: progress(j), Full: strconv.FormatFloat(j.Progress, 'f', 1, 64)},
			{Text: sx.FormatSize(j.Video.Size), Full: strconv.FormatInt(j.Video.Size, 10)},
			{Text: term.FormatAge(o.Now().Sub(j.Created)), Full: j.Created.UTC().Format(time.RFC3339)},
		}
	}
	if err := term.PrintTable(o.IO, columns, rows); err != nil {
		return err
	}
	if next != "" {
		_, _ = fmt.Fprintf(o.IO.ErrOut, "there are more: go on with --after %s, or see them all with --all\n", next)
	}
	return nil
}

func (o *Options) sayEmpty() {
	text := "no jobs yet; upload a video with: sx upload FILE"
	switch {
	case o.After != "":
		text = "no more jobs"
	case len(o.States) > 0 || o.Name != "":
		text = "no job matches"
	}
	_, _ = fmt.Fprintln(o.IO.ErrOut, text)
}

// colors are SGR codes; a state that is not here is shown plainly.
var colors = map[sx.State]string{
	sx.StateRunning:   "36",
	sx.StateUploading: "36",
	sx.StateDone:      "32",
	sx.StateFailed:    "31",
	sx.StateExpired:   "33",
}

func progress(j api.Job) string {
	switch j.State {
	case sx.StateUploading, sx.StateRunning, sx.StateDone:
		return fmt.Sprintf("%.0f%%", j.Progress)
	default:
		return "-"
	}
}
