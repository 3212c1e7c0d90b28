package term_test

import (
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/term"
)

var columns = []term.Column{{Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "SIZE", Right: true}}

func TestTerminalAndPipe(t *testing.T) {
	t.Parallel()
	rows := [][]term.Cell{
		{term.TextCell("a"), term.TextCell("日本.mp4"), {Text: "1 kB", Full: "1000"}},
		{{Text: "bbb", Color: "31"}, term.TextCell("tab\tand\nline"), {Text: "-", Full: ""}},
	}
	for name, want := range map[string]string{
		"pipe":     "a\t日本.mp4\t1000\nbbb\ttab and line\t-\n",
		"terminal": "ID   NAME          SIZE\na    日本.mp4      1 kB\nbbb  tab and line     -\n",
		"colour":   "ID   NAME          SIZE\na    日本.mp4      1 kB\n\x1b[31mbbb\x1b[0m  tab and line     -\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, out, _ := term.Test("")
			streams.OutTTY, streams.Color = name != "pipe", name != "terminal"
			if err := term.PrintTable(streams, columns, rows); err != nil {
				t.Fatal(err)
			}
			if out.String() != want {
				t.Errorf("got\n%q\nwant\n%q", out, want)
			}
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatFails(t *testing.T) {
	t.Parallel()
	streams, _, _ := term.Test("")
	streams.Out = full{}
	if err := term.PrintTable(streams, columns, nil); err == nil {
		// An empty table writes nothing, so it cannot fail.
		err = term.PrintTable(streams, columns, [][]term.Cell{{term.TextCell("a"), term.TextCell("b"), term.TextCell("c")}})
		if err == nil {
			t.Error("a failed write went unnoticed")
		}
	}
	if err := streams.WriteJSON(1); err == nil {
		t.Error("a failed write of JSON went unnoticed")
	}
}
