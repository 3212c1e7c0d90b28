package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// environment is the programs' environment. It contains no variables of this
// process, because those may include credentials.
func environment() []string { return []string{"LC_ALL=C"} }

// command is a run of one of the programs.
type command struct {
	program string
	args    []string
	stdin   io.Reader
	stdout  io.Writer
	read    func(io.Reader) error // reads stdout to its end, instead of stdout; its error ends the run
	timeout time.Duration
	maxFile int64 // limit of an output file, in bytes
}

// errTimeout is the cause of a run that was killed after its timeout.
var errTimeout = errors.New("timeout")

// execute runs the program with resource limits until it exits. It returns the parsed
// stderr, and an *sx.Error if a limit was exceeded. Any other failure of the program is
// an *exec.ExitError.
func (c *conversion) execute(ctx context.Context, run command) (*stderrParser, error) {
	runCtx, stop := context.WithTimeoutCause(ctx, run.timeout, errTimeout)
	defer stop()
	// The CPU limit is for a program that outlives this process. Several threads use CPU
	// time faster than real time.
	name, args := limited(4*run.timeout, run.maxFile, c.cfg.MaxMemory, run.program, run.args)
	cmd := exec.CommandContext(runCtx, name, args...)
	stderr := &stderrParser{}
	cmd.Env, cmd.Dir = environment(), workingDir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = run.stdin, run.stdout, stderr
	cmd.WaitDelay = time.Second
	isolate(cmd)

	// On Linux the program is killed when the thread that started it ends
	// (Pdeathsig), so the thread must outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := runAndRead(runCtx, cmd, run.read, stop)
	stderr.flush()
	if err == nil {
		return stderr, nil
	}
	if ctx.Err() != nil {
		return stderr, context.Cause(ctx)
	}
	var reading *readError
	if errors.As(err, &reading) {
		return stderr, reading.err
	}
	var exit *exec.ExitError
	isExit := errors.As(err, &exit)
	err = fmt.Errorf("%s: %w: %s", filepath.Base(run.program), err, stderr.tail())
	switch {
	case errors.Is(context.Cause(runCtx), errTimeout), isExit && hitCPULimit(exit), stderr.cpu:
		return stderr, sx.NewError(sx.CodeTimeLimit, "the conversion took longer than %s", run.timeout).WithCause(err)
	case isExit && hitFileLimit(exit), stderr.tooLarge:
		return stderr, sx.NewError(sx.CodeOutputLimit, "the MP3 would be larger than %d MiB", run.maxFile>>20).WithCause(err)
	case stderr.diskFull:
		return stderr, sx.NewError(sx.CodeStorageFull, "the converter's disk is full").WithCause(err)
	case stderr.streams:
		return stderr, sx.NewError(sx.CodeUnreadable, "the file has more than %d tracks", maxStreams).WithCause(err)
	case stderr.memory:
		return stderr, sx.NewError(sx.CodeMemoryLimit, "the conversion needs more than %d MiB of memory", c.cfg.MaxMemory>>20).WithCause(err)
	}
	return stderr, err
}

// readError is an error of the function that reads a program's stdout.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

// runAndRead runs the program and reads its stdout, if read is not nil. It calls stop, which
// must end the program, if read fails.
func runAndRead(ctx context.Context, cmd *exec.Cmd, read func(io.Reader) error, stop func()) error {
	if read == nil {
		return cmd.Run()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("creating a pipe: %w", err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	cmd.Stdout = w
	err = cmd.Start()
	w.Close() //nolint:errcheck,gosec // the program has its own descriptor
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := read(r)
		if err != nil {
			stop()
		}
		done <- err
	}()
	// A child of the program may have the pipe open when the program was killed.
	end := context.AfterFunc(ctx, func() { r.Close() }) //nolint:errcheck,gosec // to end a read
	defer end()
	err = cmd.Wait()
	if failed := <-done; failed != nil && (err == nil || wasEnded(err)) && !errors.Is(context.Cause(ctx), errTimeout) {
		return &readError{failed}
	}
	return err
}

// wasEnded reports whether the program was killed, or its context has ended.
func wasEnded(err error) bool {
	var exit *exec.ExitError
	return errors.Is(err, context.Canceled) || errors.As(err, &exit) && wasKilled(exit)
}

// stderrParser parses what a program writes to stderr. It keeps only the last lines and
// what it recognized, because a hostile file can make the output very long.
type stderrParser struct {
	lines   []string
	pending []byte

	damage   bool // the input is truncated or damaged
	noIndex  bool // the input has no index (moov atom)
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
func (t *stderrParser) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		t.pending = append(t.pending, line[:min(len(line), lineBytes-len(t.pending))]...)
		if complete {
			t.flush()
		}
		rest = after
	}
	return len(p), nil
}

var (
	damagePattern = regexp.MustCompile(`partial file|ended prematurely|[Tt]runcat|[Pp]acket corrupt|corrupt (input|decoded)|Invalid data found|End of file`)
	memoryPattern = regexp.MustCompile(`Cannot allocate memory|failed to map segment|[Oo]ut of memory`)
)

func (t *stderrParser) flush() {
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
		flag *bool
		is   bool
	}{
		{&t.damage, damagePattern.MatchString(line)},
		{&t.noIndex, strings.Contains(line, "moov atom not found")},
		{&t.memory, memoryPattern.MatchString(line)},
		{&t.streams, strings.Contains(line, "exceeds max_streams")},
		{&t.tooLarge, strings.Contains(line, "File too large")},
		{&t.diskFull, strings.Contains(line, "No space left on device")},
		{&t.cpu, strings.Contains(line, "received signal 24")}, // SIGXCPU, which ffmpeg catches
	} {
		*s.flag = *s.flag || s.is
	}
}

// tail returns the last lines as a single line.
func (t *stderrParser) tail() string { return strings.Join(t.lines, " | ") }
