package mongodb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/soundextract/sx/server/testkit"
)

// process is a MongoDB that can be killed and started again.
type process struct {
	// command returns the command of a server with its data in dir, on the
	// port. The server exits at the end of its
	// standard input, so that it cannot outlive the tests.
	command func(dir string, port int) *exec.Cmd
	// standin means that the first line of its output is its URI.
	standin   bool
	megabytes int // the size at which the stand-in's databases are full; 0 means never

	env     []string // in addition to that of the tests
	dir     string
	port    int
	running *exec.Cmd
	input   io.Closer
	output  bytes.Buffer
}

func (p *process) start(ctx context.Context) (uri string, err error) {
	if p.port == 0 {
		if p.port, err = testkit.FreePort(); err != nil {
			return "", err
		}
	}
	cmd := p.command(p.dir, p.port)
	if len(p.env) > 0 {
		cmd.Env = append(os.Environ(), p.env...)
	}
	p.output.Reset()
	cmd.Stderr = &p.output
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	p.running, p.input = cmd, input
	if !p.standin {
		go func() { _, _ = io.Copy(io.Discard, output) }()
		return fmt.Sprintf("mongodb://127.0.0.1:%d/", p.port), nil
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		_ = p.kill()
		return "", fmt.Errorf("no URI in its output: %w: %s", err, p.output.String())
	}
	uri = line[:len(line)-1]
	return uri, nil
}

// kill kills the process, if it is running, and waits for its exit.
func (p *process) kill() error {
	if p.running == nil {
		return nil
	}
	err := p.input.Close()
	if p.standin {
		err = p.running.Process.Kill() // the shell around mongod exits by itself
	}
	_ = p.running.Wait() // the error says that it was killed
	p.running = nil
	return err
}

// signal sends a signal to the server itself, which is the first child of the shell
// around mongod.
func (p *process) signal(ctx context.Context, signal syscall.Signal) error {
	if p.running == nil {
		return errors.New("the server is not running")
	}
	pid := p.running.Process.Pid
	if !p.standin {
		out, err := exec.CommandContext(ctx, "pgrep", "-o", "-P", strconv.Itoa(pid)).Output() //nolint:gosec // our own child
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(out)))
		}
		if err != nil {
			return fmt.Errorf("find mongod: %w", err)
		}
	}
	return syscall.Kill(pid, signal)
}

// mongod returns the command of a real MongoDB. It ignores its standard input,
// so a shell kills it at the end of that.
func mongod(ctx context.Context, path string, args ...string) *process {
	ctx = context.WithoutCancel(ctx) // runs until kill
	return &process{command: func(dir string, port int) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", append([]string{
			"-c", `"$@" </dev/null & cat >/dev/null; kill -9 $!; wait $!`, "sh",
			path, "--dbpath", dir, "--port", strconv.Itoa(port), "--bind_ip", "127.0.0.1",
		}, args...)...)
	}}
}
