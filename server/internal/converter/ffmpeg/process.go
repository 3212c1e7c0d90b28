package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// environment is all that the programs see of ours: nothing. Credentials live
// in environments.
func environment() []string { return []string{"LC_ALL=C"} }

// start is a run of one of the programs.
type start struct {
	program string
	args    []string
	stdout  io.Writer
	time    time.Duration // limit
	file    int64         // limit of what it may write, in bytes
}

// errTime is the cause when a run was ended by its time limit.
var errTime = errors.New("time limit")

// execute runs the program to its end, confined. It returns what was said on
// stderr, and an *sx.Error if a limit was hit. Any other failure of the program
// is an *exec.ExitError.
func (c *conversion) execute(ctx context.Context, s start) (*transcript, error) {
	limited, stop := context.WithTimeoutCause(ctx, s.time, errTime)
	defer stop()
	// The CPU limit is for a program that outlives this process; several
	// threads use it up faster than the clock goes.
	name, args := confined(4*s.time, s.file, c.cfg.MaxMemory, s.program, s.args)
	cmd := exec.CommandContext(limited, name, args...)
	said := &transcript{}
	cmd.Env, cmd.Dir = environment(), filepath.Dir(c.out)
	cmd.Stdout, cmd.Stderr = s.stdout, said
	cmd.WaitDelay = time.Second
	isolate(cmd)

	// On Linux the program dies with the thread that started it, so that
	// thread must not end before the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	said.flush()
	if err == nil {
		return said, nil
	}
	if ctx.Err() != nil {
		return said, context.Cause(ctx)
	}
	var exit *exec.ExitError
	isExit := errors.As(err, &exit)
	err = fmt.Errorf("%s: %w: %s", filepath.Base(s.program), err, said.tail())
	switch {
	case errors.Is(context.Cause(limited), errTime), isExit && hitCPULimit(exit), said.cpu:
		return said, sx.NewError(sx.CodeTimeLimit, "the conversion took longer than %s", s.time).WithCause(err)
	case isExit && hitFileLimit(exit), said.tooLarge:
		return said, sx.NewError(sx.CodeOutputLimit, "the MP3 would be larger than %d MiB", s.file>>20).WithCause(err)
	case said.diskFull:
		return said, sx.NewError(sx.CodeStorageFull, "the converter's disk is full").WithCause(err)
	case said.streams:
		return said, sx.NewError(sx.CodeUnreadable, "the file has more than %d tracks", maxStreams).WithCause(err)
	case said.memory:
		return said, sx.NewError(sx.CodeMemoryLimit, "the conversion needs more than %d MiB of memory", c.cfg.MaxMemory>>20).WithCause(err)
	}
	return said, err
}

// transcript takes what a program writes to stderr. It keeps the last lines,
// and what any line said that matters; a hostile file can make it very long.
type transcript struct {
	lines   []string
	pending []byte

	damage   bool // the input ends early or is broken in places
	cut      bool // the input lacks its index
	memory   bool
	streams  bool
	tooLarge bool
	diskFull bool
	cpu      bool
}

const (
	keptLines = 20
	lineBytes = 500
)

// Write implements io.Writer.
func (t *transcript) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		t.pending = append(t.pending, line[:min(len(line), lineBytes-len(t.pending))]...)
		if whole {
			t.flush()
		}
		rest = after
	}
	return len(p), nil
}

var (
	sayDamage = regexp.MustCompile(`partial file|ended prematurely|[Tt]runcat|[Pp]acket corrupt|corrupt (input|decoded)|Invalid data found|End of file`)
	sayMemory = regexp.MustCompile(`Cannot allocate memory|failed to map segment|[Oo]ut of memory`)
)

func (t *transcript) flush() {
	line := strings.TrimSpace(string(t.pending))
	t.pending = t.pending[:0]
	if line == "" {
		return
	}
	if len(t.lines) == keptLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
	for _, s := range []struct {
		said *bool
		is   bool
	}{
		{&t.damage, sayDamage.MatchString(line)},
		{&t.cut, strings.Contains(line, "moov atom not found")},
		{&t.memory, sayMemory.MatchString(line)},
		{&t.streams, strings.Contains(line, "exceeds max_streams")},
		{&t.tooLarge, strings.Contains(line, "File too large")},
		{&t.diskFull, strings.Contains(line, "No space left on device")},
		{&t.cpu, strings.Contains(line, "received signal 24")}, // SIGXCPU, which ffmpeg catches
	} {
		*s.said = *s.said || s.is
	}
}

// tail gives the last lines in one.
func (t *transcript) tail() string { return strings.Join(t.lines, " | ") }
