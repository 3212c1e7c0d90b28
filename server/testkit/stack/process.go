package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
)

// guarded is a shell script that runs the program in its arguments by exec.
// When its standard input ends, because the parent process has exited, the
// program is killed. A line on standard input means that the program has exited
// by itself.
const guarded = `exec 3<&0 </dev/null
( read -r _ <&3 || kill -KILL $$ ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"`

// stopLimit is how long a program may take to exit after SIGTERM.
const stopLimit = 30 * time.Second

// Process is one of the programs. Its methods are for one goroutine.
type Process struct {
	Name string

	path string
	args []string
	addr string // host:port, the same for all starts
	log  string // file

	cmd   *exec.Cmd
	alive io.WriteCloser // the guard kills the program when it is closed
	ended chan struct{}  // closed when the program has exited
}

// URL returns the program's URL.
func (p *Process) URL() string { return "http://" + p.addr }

// PID returns the process id, for signals.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns the path of the program's log, which covers all its starts.
func (p *Process) Log() string { return p.log }

// Start starts the program, on the same address each time, and returns as soon
// as it responds to probes; see WaitReady.
func (p *Process) Start(tb testing.TB) {
	tb.Helper()
	if err := p.start(tb.Context()); err != nil {
		tb.Fatalf("starting %s: %v\n%s", p.Name, err, p.logTail())
	}
}

func (p *Process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	args := append([]string{"-c", guarded, p.Name, p.path, "--addr", p.addr}, p.args...)
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", args...) // until the program exits
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                     // Ctrl-C is only for the parent process
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SX_") })
	if p.alive, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	serving := make(chan string, 1)
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, alive io.WriteCloser, ended chan struct{}) {
		defer close(ended)
		follow(stderr, log, serving)
		_, _ = io.WriteString(alive, "ended\n")
		_ = cmd.Wait() // a killed program exits with an error
		_ = log.Close()
	}(p.cmd, p.alive, p.ended)
	select {
	case p.addr = <-serving:
		return nil
	case <-p.ended:
		return fmt.Errorf("it exited immediately: %v", p.cmd.ProcessState)
	case <-time.After(stopLimit):
		_ = p.kill()
		return fmt.Errorf("it did not log its address")
	}
}

// follow copies the program's log, and sends the address that it serves on.
func follow(from io.Reader, to io.Writer, serving chan<- string) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		_, _ = to.Write(line)
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			serving <- entry.Addr
		}
		if err != nil {
			return
		}
	}
}

// WaitReady waits until the program reports that it is ready.
func (p *Process) WaitReady(tb testing.TB) {
	tb.Helper()
	if err := p.waitReady(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func (p *Process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.Ready(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s has exited\n%s", p.Name, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready\n%s", p.Name, p.logTail())
		}
	}
}

// Ready reports whether the program is ready now.
func (p *Process) Ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+api.PathReady, http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Kill kills the program, as a crash does.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	if err := p.kill(); err != nil {
		tb.Fatalf("killing %s: %v", p.Name, err)
	}
}

// kill fails if the program has exited before.
func (p *Process) kill() error {
	err := p.cmd.Process.Kill()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return p.exited()
}

// exited returns an error if a program that has ended was not killed.
func (p *Process) exited() error {
	if state := p.cmd.ProcessState; state.Exited() {
		return fmt.Errorf("it had exited by itself: %v\n%s", state, p.logTail())
	}
	return nil
}

// Pause stops the program by SIGSTOP until Continue.
func (p *Process) Pause(tb testing.TB) { tb.Helper(); p.signal(tb, syscall.SIGSTOP) }

// Continue resumes a paused program.
func (p *Process) Continue(tb testing.TB) { tb.Helper(); p.signal(tb, syscall.SIGCONT) }

func (p *Process) signal(tb testing.TB, s os.Signal) {
	tb.Helper()
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		<-p.ended
		err = p.exited()
	}
	if err != nil {
		tb.Fatalf("%v to %s: %v", s, p.Name, err)
	}
}

// Stop sends SIGTERM to the program and waits until it has exited.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	if err := p.end(); err != nil {
		tb.Fatalf("stopping %s: %v\n%s", p.Name, err, p.logTail())
	}
}

// end is Stop, returning an error. It succeeds if the program has already
// exited.
func (p *Process) end() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have exited since
	select {
	case <-p.ended:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("exit code %d", code)
		}
		return nil
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("it did not exit within %v and was killed", stopLimit), p.kill())
	}
}

// logTail returns the end of the log.
func (p *Process) logTail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-4000):])
}
