package rabbitbus_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/bustest"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

var shared rabbitmq.Shared

func TestMain(m *testing.M) {
	m.Run() // which remembers the exit code
	if err := shared.End(); err != nil {
		panic(err)
	}
}

// open opens a bus with names of its own at the broker.
func open(t *testing.T, uri string) *rabbitbus.Bus {
	t.Helper()
	return openAs(t, config(t, uri, t.Output()))
}

// openAs opens a bus, which the test's end closes.
func openAs(t *testing.T, cfg rabbitbus.Config) *rabbitbus.Bus {
	t.Helper()
	b, err := rabbitbus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v (%v)", err, sx.AsError(err).Unwrap())
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func config(t *testing.T, uri string, log io.Writer) rabbitbus.Config {
	t.Helper()
	prefix := "test-" + sx.NewID()
	t.Cleanup(func() { deleteAll(t, uri, prefix) })
	return rabbitbus.Config{
		URL: uri, Setting: "TEST_AMQP_URL", Name: "rabbitbus tests", Prefix: prefix,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// deleteAll leaves nothing behind at a broker that is not ours.
func deleteAll(t *testing.T, uri, prefix string) {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		return // the broker is down, which is the test's doing
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("opening a channel: %v", err)
	}
	for _, q := range bus.Queues() {
		for _, name := range []string{prefix + "." + string(q), prefix + "." + string(q) + ".dead"} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("deleting %s: %v", name, err)
			}
		}
	}
	for _, name := range []string{prefix, prefix + ".dead", prefix + ".announce"} {
		if err := ch.ExchangeDelete(name, false, false); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, uri) })
}

// deadline bounds each test that waits for the broker.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks until it is so.
func eventually(t *testing.T, ctx context.Context, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		}
	}
}

func publish(t *testing.T, ctx context.Context, b bus.Bus, id string) {
	t.Helper()
	if err := b.Publish(ctx, bus.Convert, bus.Message{JobID: id}); err != nil {
		t.Fatalf("Publish(%s): %v (%v)", id, err, sx.AsError(err).Unwrap())
	}
}

// receive receives the message and leaves it unacknowledged.
func receive(t *testing.T, ctx context.Context, b bus.Bus, want string) bus.Delivery {
	t.Helper()
	d, err := b.Receive(ctx, bus.Convert)
	if err != nil {
		t.Fatalf("Receive: %v, want %s", err, want)
	}
	if id := d.Message().JobID; id != want {
		t.Fatalf("received %s, want %s", id, want)
	}
	return d
}

func ack(t *testing.T, ctx context.Context, d bus.Delivery) {
	t.Helper()
	if err := d.Ack(ctx); err != nil {
		t.Fatalf("Ack(%s): %v", d.Message().JobID, err)
	}
}

// depth waits until the queue holds so much.
func depth(t *testing.T, ctx context.Context, b bus.Bus, want bus.Depth) {
	t.Helper()
	eventually(t, ctx, fmt.Sprintf("a depth of %+v", want), func() bool {
		got, err := b.Depth(ctx, bus.Convert)
		return err == nil && got == want
	})
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
