package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/testkit"
)

// startLimit bounds the start of a broker. It takes some seconds, but more than
// a minute on a busy machine.
const startLimit = 3 * time.Minute

// Broker is a RabbitMQ node for tests. Its methods are for one goroutine.
type Broker struct {
	// named is the URI of the broker of EnvContainer; the fields below are zero
	// then.
	named   string
	program program
	version string // as it reports
	dir     string
	node    string
	port    int
	tlsPort int
	env     []string

	guard *exec.Cmd
	alive io.Closer     // the guard kills the broker when it is closed
	ended chan struct{} // closed when the broker has exited
}

// URI returns the broker's URI for amqp.Dial, with a user that has all
// permissions.
func (b *Broker) URI() string {
	if b.named != "" {
		return b.named
	}
	return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", b.port)
}

// TLSURI returns the URI for TLS, and the file of the certificate authority
// that a client must trust.
func (b *Broker) TLSURI() (uri, authority string) {
	return fmt.Sprintf("amqps://guest:guest@localhost:%d/", b.tlsPort), filepath.Join(b.dir, caFile)
}

// From describes where the broker comes from.
func (b *Broker) From() string {
	if b.named != "" {
		return b.version + ", the container of " + EnvContainer
	}
	return b.version + ", started by the tests, " + b.program.server
}

// Stop stops the broker gracefully and keeps its data.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	if err := b.end(syscall.SIGTERM); err != nil {
		t.Fatalf("stopping RabbitMQ: %v", err)
	}
}

// Kill kills the broker with SIGKILL; its data stay as they are on disk.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	if err := b.end(syscall.SIGKILL); err != nil {
		t.Fatalf("killing RabbitMQ: %v", err)
	}
}

// Restart starts a stopped or killed broker with the same data and ports.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.run(t.Context()); err != nil {
		t.Fatalf("starting RabbitMQ again: %v", err)
	}
}

// Ctl runs rabbitmqctl on the broker and returns what it prints.
func (b *Broker) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), b.program.ctl, append([]string{"-q", "-n", b.node}, args...)...)
	cmd.Env = b.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Log returns what a broker that the tests have started has logged.
func (b *Broker) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, logFile))
	if err != nil {
		t.Fatalf("reading the log of RabbitMQ: %v", err)
	}
	return string(text)
}

// Run starts a broker that runs until Close.
func Run(ctx context.Context) (*Broker, error) {
	if os.Getenv(EnvContainer) != "" {
		b := &Broker{named: os.Getenv(Variable)}
		return b, b.run(ctx)
	}
	p, err := find(directories)
	if err != nil {
		return nil, err
	}
	b := &Broker{program: p}
	if err := b.prepare(); err != nil {
		return nil, err
	}
	if err := b.run(ctx); err != nil {
		_ = os.RemoveAll(b.dir)
		return nil, err
	}
	return b, nil
}

// run starts the broker and waits until a client can sign in.
func (b *Broker) run(ctx context.Context) error {
	if b.named != "" {
		if err := testkit.Docker(ctx, "start", os.Getenv(EnvContainer)); err != nil {
			return err
		}
	} else if err := b.launch(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := amqp.DialConfig(b.URI(), amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}})
		if err == nil {
			b.version = version(conn)
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-b.ended:
			_ = b.alive.Close()
			return fmt.Errorf("it exited immediately\n%s", b.logTail())
		case <-ctx.Done():
			_ = b.Close()
			return fmt.Errorf("no connection after %s: %w\n%s", startLimit, err, b.logTail())
		}
	}
}

// version returns the version that a broker reports.
func version(conn *amqp.Connection) string {
	v, _ := conn.Properties["version"].(string)
	return v
}

// end sends the broker a signal and waits until it has exited.
func (b *Broker) end(signal os.Signal) error {
	if b.named != "" {
		command := "stop"
		if signal == syscall.SIGKILL {
			command = "kill"
		}
		return testkit.Docker(context.Background(), command, os.Getenv(EnvContainer))
	}
	defer func() { _ = b.alive.Close() }()
	pid, err := b.pid()
	if err == nil {
		err = pid.Signal(signal)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = b.alive.Close() // the guard then kills it
	}
	select {
	case <-b.ended:
		return nil
	case <-time.After(startLimit):
		return fmt.Errorf("it did not exit\n%s", b.logTail())
	}
}

// pid returns the broker's process id from its PID file.
func (b *Broker) pid() (*os.Process, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, pidFile))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pidFile, err)
	}
	return os.FindProcess(n)
}

// Close stops the broker, if it is running, and deletes its data.
func (b *Broker) Close() error {
	if b.named != "" {
		return nil
	}
	select {
	case <-b.ended:
	default:
		if err := b.end(syscall.SIGKILL); err != nil {
			return err
		}
	}
	return os.RemoveAll(b.dir)
}

// logTail returns the end of the broker's output and log.
func (b *Broker) logTail() string {
	var words strings.Builder
	for _, name := range []string{outFile, logFile} {
		text, _ := os.ReadFile(filepath.Join(b.dir, name))
		fmt.Fprintf(&words, "--- %s\n%s\n", name, text[max(0, len(text)-4000):])
	}
	return words.String()
}
