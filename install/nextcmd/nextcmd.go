// Package nextcmd renders the commands that sx suggests as the next step. It is
// the only place that quotes for a shell.
package nextcmd

import "al.essio.dev/pkg/shellescape"

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
