package clitest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
)

var update = flag.Bool("update", false, "write the golden files of screens")

// Screen returns what a terminal shows after raw was written to it.
func Screen(tb testing.TB, raw []byte, width, height int) string {
	tb.Helper()
	emulator := vt.NewEmulator(width, height)
	// The line discipline of a terminal adds the carriage return.
	if _, err := emulator.Write(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))); err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(emulator.String()) {
		lines = append(lines, strings.TrimRight(line, " \r\n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// Golden compares text with the file testdata/screens/NAME.txt.
func Golden(tb testing.TB, name, text string) {
	tb.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if text != string(want) {
		got, wanted := firstDifference(text, string(want))
		tb.Errorf("%s: got the line\n%q\nwant\n%q\nif the new screen is right, run the test with -update", path, got, wanted)
	}
}

// firstDifference returns the first lines in which two texts differ.
func firstDifference(a, b string) (string, string) {
	before, after := strings.Split(a, "\n"), strings.Split(b, "\n")
	i := 0
	for i < min(len(before), len(after))-1 && before[i] == after[i] {
		i++
	}
	return before[i], after[i]
}
