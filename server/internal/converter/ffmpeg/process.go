package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// environment is the programs' environment. It contains no variables of this
// process, because those may include credentials.
func environment() []string { return []string{"LC_ALL=C"} }

// command is a run of one of the programs.
type command struct {
	phase   string // what the run is for, which names its span
	program string
	args    []string
	stdin   io.Reader
	stdout  io.Writer
	read    func(io.Reader) error // reads stdout to its end, instead of stdout; its error ends the run
	cpu     time.Duration         // limit of CPU time
	files   []*os.File            // inherited as descriptors 3, 4, …
	maxFile int64                 // limit of an output file, in bytes
	// busy counts what the program has done; it reports false for alive while the program
	// waits for this process. A program that is alive and does nothing is ended. nil means
	// that only CPU time is limited.
	busy func() (done int64, alive bool)
}

// prepare returns the command that runs the program with the profile, in a process group
// of its own.
func (t *Transcoder) prepare(ctx context.Context, p sandbox.Profile, program string, args []string) *exec.Cmd {
	p.Memory, p.Data = t.cfg.MaxMemory, t.cfg.MaxData
	cmd := t.box.Command(ctx, p, program, args...)
	cmd.Env, cmd.Dir = environment(), workingDir
	isolate(cmd)
	return cmd
}

// errStalled is the cause of a run that was killed because it did nothing.
var errStalled = errors.New("stalled")

// waitDelay is how long the output of a program is still read when it has ended: long
// enough for a busy machine, and not for ever, because a child of a script may hold the
// pipe open.
const waitDelay = 10 * time.Second

// execute runs the program with resource limits until it exits. It returns the parsed
// stderr, and an *sx.Error if a limit was exceeded. Any other failure of the program is
// an *exec.ExitError.
//
// The limits count CPU time, so that a busy machine does not make a conversion fail.
func (c *conversion) execute(ctx context.Context, run command) (found *stderrParser, err error) {
	ctx, span := tracing.Start(ctx, cmp.Or(run.phase, filepath.Base(run.program)), trace.WithAttributes(attribute.String("process.executable.name", filepath.Base(run.program))))
	defer func() { tracing.End(span, err) }()
	runCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	profile := sandbox.Profile{CPU: run.cpu, File: run.maxFile, Scratch: len(run.files) > 0}
	if c.in != nil {
		profile.Port = c.in.port
	}
	cmd := c.prepare(runCtx, profile, run.program, run.args)
	if c.in != nil {
		cmd.Env = append(cmd.Env, c.in.environment())
	}
	stderr := &stderrParser{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = run.stdin, run.stdout, stderr, run.files
	cmd.WaitDelay = waitDelay
	if run.busy != nil {
		go c.watch(runCtx, run.busy, stop)
	}

	// On Linux the program is killed when the thread that started it ends
	// (Pdeathsig), so the thread must outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = runAndRead(runCtx, cmd, run.read, func() { stop(nil) })
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
	err = programError(run.program, err, stderr, run.cpu)
	switch {
	case errors.Is(context.Cause(runCtx), errStalled):
		return stderr, fmt.Errorf("no progress for %s: %w", c.cfg.MaxIdle, err)
	case stderr.streams:
		return stderr, tooManyTracks().WithCause(err)
	case stderr.memory:
		return stderr, sx.NewError(sx.CodeMemoryLimit, "the conversion needs more than %d MiB of memory", c.cfg.MaxData>>20).WithCause(err)
	}
	return stderr, err
}

// programError returns the failure of a program that could use that much CPU time: an
// *sx.Error if it used more, or was killed.
func programError(program string, err error, stderr *stderrParser, cpu time.Duration) error {
	failed := &converter.ProgramError{Program: filepath.Base(program), Err: err, Lines: stderr.lines}
	var exit *exec.ExitError
	isExit := errors.As(err, &exit)
	switch {
	case isExit && hitCPULimit(exit, cpu):
		return sx.NewError(sx.CodeTimeLimit, "the conversion used more than %s of CPU time", cpu).WithCause(failed)
	case isExit && killedByOthers(exit):
		return sx.NewError(sx.CodeOutOfMemory, "%s was killed, probably because the converter ran out of memory", failed.Program).WithCause(failed)
	}
	return failed
}

// watch calls stop with errStalled once the program is alive and has done nothing for
// MaxIdle. It returns when ctx ends.
func (c *conversion) watch(ctx context.Context, busy func() (int64, bool), stop func(error)) {
	const checks = 10
	ticker := time.NewTicker(c.cfg.MaxIdle / checks)
	defer ticker.Stop()
	var last int64
	for idle := 0; idle < checks; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		done, alive := busy()
		if idle++; done != last || !alive {
			last, idle = done, 0
		}
	}
	stop(errStalled)
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
	r, w, err := pipe(pcmPipe)
	if err != nil {
		return err
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
		err := read(gathered{r, gatherPCM})
		if err != nil {
			stop()
		}
		done <- err
	}()
	// A child of the program may still have the pipe open after the program was
	// killed.
	end := context.AfterFunc(ctx, func() { r.Close() }) //nolint:errcheck,gosec // to end a read
	defer end()
	err = cmd.Wait()
	switch failed := <-done; {
	case errors.Is(failed, errSectionEnd): // it may have failed to write more before it was killed
		return &readError{failed}
	// A program that crashes or is killed leaves half a packet, which is not why it ended.
	case failed != nil && (err == nil || wasEnded(err) && !errors.Is(failed, io.ErrUnexpectedEOF)) && !errors.Is(context.Cause(ctx), errStalled):
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

	cut     bool // the input ends too early
	errors  int  // what could not be decoded
	noIndex bool // the input has no index (moov atom)
	memory  bool
	streams bool
	// added is where the first audio stream began that the header does not announce, in
	// bytes; 0 if there is none.
	added int64
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
	cutPattern    = regexp.MustCompile(`partial file|ended prematurely|[Tt]runcat|Input/output error`)
	errorPattern  = regexp.MustCompile(`Error while decoding stream|Error submitting packet to decoder|Decoding error:`)
	memoryPattern = regexp.MustCompile(`Cannot allocate memory|failed to map segment|[Oo]ut of memory`)
	addedPattern  = regexp.MustCompile(`New audio stream \d+:\d+ at pos:(\d+)`)
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
		{&t.cut, cutPattern.MatchString(line)},
		{&t.noIndex, strings.Contains(line, "moov atom not found")},
		{&t.memory, memoryPattern.MatchString(line)},
		{&t.streams, strings.Contains(line, "exceeds max_streams")},
	} {
		*s.flag = *s.flag || s.is
	}
	if errorPattern.MatchString(line) {
		t.errors++
	}
	if m := addedPattern.FindStringSubmatch(line); m != nil && t.added == 0 {
		t.added, _ = strconv.ParseInt(m[1], 10, 64) // 0 if it is too large
	}
}
