// Package term has what commands need of the terminal: streams, tables, progress
// bars, prompts, and the formats of sizes and times. Results go to Out, progress and
// notes to ErrOut, errors and prompts to Errors. Only main uses the streams of the
// process.
package term

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	xterm "golang.org/x/term"
)

// IOStreams are the streams of one run of sx.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer // progress and notes; Mute discards them

	// InTTY, OutTTY and ErrTTY report which streams are terminals.
	InTTY, OutTTY, ErrTTY bool
	// Color reports whether Out and ErrOut may contain ANSI colours.
	Color bool
	// Verbose asks for notes about why something is done, see Explain.
	Verbose bool
	// JSON reports that results are JSON: each file of a batch is an object, also one
	// that failed, and no text is written to ErrOut.
	JSON bool

	// Filter makes of each JSON value what is printed instead, whole lines; nil prints
	// the value.
	Filter func(value []byte) ([]byte, error)

	errors      io.Writer // ErrOut before Mute
	inFd, errFd int
	outClosed   bool // when the process started

	width, height int // of the terminal in tests, else 0
}

// System returns the streams of the process.
func System() *IOStreams { return FromFiles(os.Stdin, os.Stdout, os.Stderr) }

// FromFiles returns streams on open files, each of which may be a terminal.
func FromFiles(in, out, errOut *os.File) *IOStreams {
	s := &IOStreams{
		In: in, Out: results{out}, ErrOut: errOut,
		InTTY:  xterm.IsTerminal(int(in.Fd())),
		OutTTY: xterm.IsTerminal(int(out.Fd())),
		ErrTTY: xterm.IsTerminal(int(errOut.Fd())) && os.Getenv("TERM") != "dumb",
		inFd:   int(in.Fd()),
		errFd:  int(errOut.Fd()),

		outClosed: isClosed(out),
	}
	// https://no-color.org: a non-empty NO_COLOR disables colours.
	s.Color = s.ErrTTY && os.Getenv("NO_COLOR") == ""
	return s
}

// Test returns streams on buffers, which are not terminals.
func Test(in string) (s *IOStreams, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: bytes.NewBufferString(in), Out: out, ErrOut: errOut, inFd: -1, errFd: -1}, out, errOut
}

// Mute discards what is written to ErrOut from now on, but not what is written to
// Errors.
func (s *IOStreams) Mute() {
	if s.errors == nil {
		s.errors, s.ErrOut = s.ErrOut, io.Discard
	}
}

func (s *IOStreams) muted() bool { return s.errors != nil }

// Errors returns the stream for errors and prompts.
func (s *IOStreams) Errors() io.Writer {
	if s.errors != nil {
		return s.errors
	}
	return s.ErrOut
}

// Explain prints a line to ErrOut if Verbose is set. While a ProgressDisplay is shown,
// use its method of that name.
func (s *IOStreams) Explain(format string, args ...any) {
	if s.Verbose {
		_, _ = fmt.Fprintf(s.ErrOut, format+"\n", args...) // there is nowhere to report it
	}
}

// TestScreen is what was written to a terminal in a test.
type TestScreen struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (s *TestScreen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, p...)
	return len(p), nil
}

// Bytes returns everything that was written.
func (s *TestScreen) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.b)
}

// TestTerminal returns streams that are a terminal of the given size, and what is
// written to it.
func TestTerminal(in string, width, height int) (s *IOStreams, screen *TestScreen) {
	s, _, _ = Test(in)
	screen = &TestScreen{}
	s.Out, s.ErrOut = screen, screen
	s.InTTY, s.OutTTY, s.ErrTTY = true, true, true
	s.width, s.height = width, height
	return s, screen
}

// Size returns the terminal's width and height in characters, 80 × 24 without one.
func (s *IOStreams) Size() (width, height int) {
	if s.width > 0 {
		return s.width, s.height
	}
	if s.ErrTTY {
		if w, h, err := xterm.GetSize(s.errFd); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// ReadPassword asks the question and reads a line from the terminal, whose echo is off
// before the question appears, so that nothing of a quick answer is shown. At the end, and
// if ctx ends first, the echo is as before.
func (s *IOStreams) ReadPassword(ctx context.Context, question string) (string, error) {
	before, err := xterm.GetState(s.inFd)
	if err == nil {
		err = hideEcho(s.inFd)
	}
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { _ = xterm.Restore(s.inFd, before) }()
	_, _ = fmt.Fprint(s.Errors(), question)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() { // it may go on reading after ctx has ended, so it must not change the terminal
		text, err := readLine(s.In)
		typed <- line{strings.TrimSuffix(text, "\r"), err} // of a Windows console
	}()
	select {
	case l := <-typed:
		return l.text, l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// WriteFields writes a line of fields to Out, separated by two spaces at a terminal and
// by tabs elsewhere.
func (s *IOStreams) WriteFields(fields ...string) error {
	separator := "\t"
	if s.OutTTY {
		separator = "  "
	}
	if _, err := fmt.Fprintln(s.Out, strings.Join(fields, separator)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
