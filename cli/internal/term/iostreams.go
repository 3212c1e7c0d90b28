// Package term has what commands need of the terminal: streams, tables, progress
// bars, prompts, and the formats of sizes and times. Results go to Out; progress,
// prompts and errors go to ErrOut. Only main uses the streams of the process.
package term

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	xterm "golang.org/x/term"
)

// IOStreams are the streams of one run of sx.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	// InTTY, OutTTY and ErrTTY report which streams are terminals.
	InTTY, OutTTY, ErrTTY bool
	// Color reports whether Out and ErrOut may contain ANSI colours.
	Color bool

	inFd, errFd int
	outClosed   bool // when the process started
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

// Size returns the terminal's width and height in characters, 80 × 24 without one.
func (s *IOStreams) Size() (width, height int) {
	if s.ErrTTY {
		if w, h, err := xterm.GetSize(s.errFd); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// ReadPassword reads a line from the terminal without echoing it. If ctx ends first,
// it turns the terminal's echo on again.
func (s *IOStreams) ReadPassword(ctx context.Context) (string, error) {
	before, err := xterm.GetState(s.inFd)
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	type line struct {
		raw []byte
		err error
	}
	typed := make(chan line, 1)
	go func() {
		raw, err := xterm.ReadPassword(s.inFd)
		typed <- line{raw, err}
	}()
	select {
	case l := <-typed:
		return string(l.raw), l.err
	case <-ctx.Done():
		_ = xterm.Restore(s.inFd, before)
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

// WriteJSON writes v to Out as JSON on one line.
func (s *IOStreams) WriteJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
