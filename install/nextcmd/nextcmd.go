// Package nextcmd renders the commands that sx suggests as the next step. It is
// the only place that quotes for a shell.
package nextcmd

import (
	"fmt"

	"al.essio.dev/pkg/shellescape"
)

// Line returns a command with its arguments as one line for a POSIX shell,
// which passes each argument unchanged, whatever it contains.
func Line(argv ...string) string { return shellescape.QuoteCommand(argv) }

// Flags are the flags of a command line that the next command repeats, such as
// --context. Build with Keep.
type Flags []string

// Keep adds the flag with its value, unless that is the default.
func (f Flags) Keep(flag, value, usual string) Flags {
	if value == usual {
		return f
	}
	return append(f, flag, value)
}

// SX returns the sx command line with the flags at its end.
func (f Flags) SX(args ...string) string {
	argv := append([]string{"sx"}, args...)
	return Line(append(argv, f...)...)
}

// Command is the arguments of sx in a suggested command, without the flags that it
// repeats.
type Command []string

// Hint is a hint that has its commands as data, because only its printer knows which
// flags they repeat.
type Hint struct {
	Format   string // as for fmt.Sprintf, with a %s for each command
	Commands []Command
}

// Render returns the hint with the flags at the end of each command.
func (h Hint) Render(flags Flags) string {
	lines := make([]any, len(h.Commands))
	for i, c := range h.Commands {
		lines[i] = flags.SX(c...)
	}
	return fmt.Sprintf(h.Format, lines...)
}

// HintError is an error with a hint that names commands.
type HintError struct {
	Err  error
	Hint Hint
}

// WithHint adds a hint to err. The format has a %s for each command.
func WithHint(err error, format string, commands ...Command) *HintError {
	return &HintError{err, Hint{format, commands}}
}

func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the hint.
func (e *HintError) Unwrap() error { return e.Err }
