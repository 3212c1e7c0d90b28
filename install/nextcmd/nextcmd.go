// Package nextcmd renders the commands that sx suggests to type next. It is the
// only place that quotes for a shell.
package nextcmd

import "al.essio.dev/pkg/shellescape"

// Line is the command with its arguments as one line for a POSIX shell: each
// argument arrives unchanged, whatever it holds.
func Line(argv ...string) string { return shellescape.QuoteCommand(argv) }

// Flags are the flags of a command line that the next command repeats, such as
// --context. Build with Keep.
type Flags []string

// Keep adds the flag with its value, unless that is the usual one.
func (f Flags) Keep(flag, value, usual string) Flags {
	if value == usual {
		return f
	}
	return append(f, flag, value)
}

// SX is the command of sx with the flags at its end.
func (f Flags) SX(args ...string) string {
	argv := append([]string{"sx"}, args...)
	return Line(append(argv, f...)...)
}
