// Package iostreams is the terminal as the commands see it: results go to Out,
// progress, prompts and errors to ErrOut. Only main connects it to the process.
package iostreams

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// IOStreams are the streams of one run of sx.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	// InTTY, OutTTY and ErrTTY tell which streams are a terminal.
	InTTY, OutTTY, ErrTTY bool
	// Color tells whether ErrOut and Out may carry ANSI colours.
	Color bool

	inFd, errFd int
}

// System connects to the process's own streams.
func System() *IOStreams {
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		inFd:   int(os.Stdin.Fd()),
		errFd:  int(os.Stderr.Fd()),
	}
	// https://no-color.org: a non-empty NO_COLOR switches colours off.
	s.Color = s.ErrTTY && os.Getenv("NO_COLOR") == ""
	return s
}

// Test gives streams that are buffers and no terminal.
func Test(in string) (s *IOStreams, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: bytes.NewBufferString(in), Out: out, ErrOut: errOut, inFd: -1, errFd: -1}, out, errOut
}

// Size is the terminal's width and height in characters, 80 × 24 where there is none.
func (s *IOStreams) Size() (width, height int) {
	if s.ErrTTY {
		if w, h, err := term.GetSize(s.errFd); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// ReadPassword reads a line from the terminal without showing it.
func (s *IOStreams) ReadPassword() (string, error) {
	raw, err := term.ReadPassword(s.inFd)
	return string(raw), err
}
