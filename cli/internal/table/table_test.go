package table_test

import (
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/table"
)

var columns = []table.Column{{Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "SIZE", Right: true}}

func TestTerminalAndPipe(t *testing.T) {
	t.Parallel()
	rows := [][]table.Cell{
		{table.Text("a"), table.Text("日本.mp4"), {Text: "1 kB", Full: "1000"}},
		{{Text: "bbb", Color: "31"}, table.Text("tab\tand\nline"), {Text: "-", Full: ""}},
	}
	for name, want := range map[string]string{
		"pipe":     "a\t日本.mp4\t1000\nbbb\ttab and line\t-\n",
		"terminal": "ID   NAME          SIZE\na    日本.mp4      1 kB\nbbb  tab and line     -\n",
		"colour":   "ID   NAME          SIZE\na    日本.mp4      1 kB\n\x1b[31mbbb\x1b[0m  tab and line     -\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, out, _ := iostreams.Test("")
			streams.OutTTY, streams.Color = name != "pipe", name != "terminal"
			if err := table.Print(streams, columns, rows); err != nil {
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
	streams, _, _ := iostreams.Test("")
	streams.Out = full{}
	if err := table.Print(streams, columns, nil); err == nil {
		// An empty table writes nothing that could fail.
		err = table.Print(streams, columns, [][]table.Cell{{table.Text("a"), table.Text("b"), table.Text("c")}})
		if err == nil {
			t.Error("a failed write went unnoticed")
		}
	}
	if err := streams.WriteJSON(1); err == nil {
		t.Error("a failed write of JSON went unnoticed")
	}
}
