package mongodb

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
)

// process is a MongoDB that can be killed and started again.
type process struct {
	// command returns the command of a server with its data in dir, on the
	// port, or on any free port for 0. The server exits at the end of its
	// standard input, so that it cannot outlive the tests.
	command func(dir string, port int) *exec.Cmd
	// announced means that the first line of its output is its URI.
	announced bool

	dir     string
	port    int
	running *exec.Cmd
	input   io.Closer
	output  bytes.Buffer
}

func (p *process) start(ctx context.Context) (uri string, err error) {
	if p.port == 0 && !p.announced {
		if p.port, err = freePort(ctx); err != nil {
			return "", err
		}
	}
	cmd := p.command(p.dir, p.port)
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
	if !p.announced {
		go func() { _, _ = io.Copy(io.Discard, output) }()
		return fmt.Sprintf("mongodb://127.0.0.1:%d/", p.port), nil
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		_ = p.kill()
		return "", fmt.Errorf("no URI in its output: %w: %s", err, p.output.String())
	}
	uri = line[:len(line)-1]
	_, err = fmt.Sscanf(uri, "mongodb://127.0.0.1:%d/", &p.port)
	return uri, err
}

// kill kills the process, if it is running, and waits for its exit.
func (p *process) kill() error {
	if p.running == nil {
		return nil
	}
	err := p.input.Close()
	if p.announced {
		err = p.running.Process.Kill() // the shell around mongod exits by itself
	}
	_ = p.running.Wait() // the error says that it was killed
	p.running = nil
	return err
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// mongod returns the command of a real MongoDB. It ignores its standard input,
// so a shell kills it at the end of that.
func mongod(ctx context.Context, path string) *process {
	ctx = context.WithoutCancel(ctx) // runs until kill
	return &process{command: func(dir string, port int) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", "-c", `"$@" </dev/null & cat >/dev/null; kill -9 $!; wait $!`, "sh",
			path, "--dbpath", dir, "--port", strconv.Itoa(port), "--bind_ip", "127.0.0.1")
	}}
}
