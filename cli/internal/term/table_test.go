package term_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

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

// TestOptionalColumns checks that optional columns are left out at a terminal of 80
// columns only if the others do not fit otherwise.
func TestOptionalColumns(t *testing.T) {
	t.Parallel()
	columns := []term.Column{{Header: "AGE", Optional: true}, {Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "SIZE", Optional: true}}
	row := func(id int) [][]term.Cell {
		return [][]term.Cell{{term.TextCell("1m"), term.TextCell(strings.Repeat("i", id)), term.TextCell("0123456789"), term.TextCell("1 kB")}}
	}
	for id, want := range map[int]string{
		57: "AGE ID NAME SIZE 1m " + strings.Repeat("i", 57) + " 0123456789 1 kB",
		59: "AGE ID NAME SIZE 1m " + strings.Repeat("i", 59) + " 01234…89 1 kB",
		64: "AGE ID NAME 1m " + strings.Repeat("i", 64) + " 012345…89",
		69: "ID NAME " + strings.Repeat("i", 69) + " 012345…89",
	} {
		streams, out, _ := term.Test("")
		streams.OutTTY = true
		if err := term.PrintTable(streams, columns, row(id)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("%d: got\n%s\nwant\n%s", id, got, want)
		}
	}
}

// TestNarrowColumns checks that the widest columns shrink first, and none below its
// least width.
func TestNarrowColumns(t *testing.T) {
	t.Parallel()
	columns := []term.Column{{Header: "NAME", Shrink: true}, {Header: "DETAILS", Shrink: true, Min: 60}}
	for _, tt := range []struct{ name, details, wantName, wantDetails int }{
		{name: 10, details: 68, wantName: 10, wantDetails: 68},
		{name: 10, details: 99, wantName: 10, wantDetails: 68},
		{name: 70, details: 99, wantName: 18, wantDetails: 60},
		{name: 70, details: 20, wantName: 58, wantDetails: 20},
	} {
		streams, out, _ := term.Test("")
		streams.OutTTY = true
		row := []term.Cell{term.TextCell(strings.Repeat("n", tt.name)), term.TextCell(strings.Repeat("d", tt.details))}
		if err := term.PrintTable(streams, columns, [][]term.Cell{row}); err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(out.String(), "\n")
		got := strings.Fields(line)
		if n, d := utf8.RuneCountInString(got[0]), utf8.RuneCountInString(got[1]); n != tt.wantName || d != tt.wantDetails {
			t.Errorf("%d and %d columns became %d and %d, want %d and %d", tt.name, tt.details, n, d, tt.wantName, tt.wantDetails)
		}
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
	if err := streams.WriteFields("a", "b"); err == nil {
		t.Error("a failed write of fields went unnoticed")
	}
}
