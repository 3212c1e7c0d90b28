package rabbitbus_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/bustest"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

var shared rabbitmq.Shared

func TestMain(m *testing.M) {
	m.Run() // Run stores the exit code
	if err := shared.End(); err != nil {
		panic(err)
	}
}

// open opens a bus with its own queues.
func open(t *testing.T, uri string) *rabbitbus.Bus {
	t.Helper()
	return openAs(t, config(t, uri, t.Output()))
}

// openAs opens a bus and closes it when the test ends.
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

// deleteAll deletes the test's queues and exchanges: the broker may be shared.
func deleteAll(t *testing.T, uri, prefix string) {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		return // the test has stopped the broker
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("open a channel: %v", err)
	}
	for _, q := range bus.Queues() {
		for _, name := range []string{prefix + "." + string(q), prefix + "." + string(q) + ".dead"} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("delete %s: %v", name, err)
			}
		}
	}
	for _, name := range []string{prefix, prefix + ".dead", prefix + ".announce"} {
		if err := ch.ExchangeDelete(name, false, false); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, uri) })
}

// deadline bounds each test that waits for the broker, also on a busy machine.
func deadline(t *testing.T) context.Context {
	t.Helper()
	return within(t, 3*time.Minute)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
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

// waitForDepth waits until the queue has the depth.
func waitForDepth(t *testing.T, ctx context.Context, b bus.Bus, want bus.Depth) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("a depth of %+v", want), func() bool {
		got, err := b.Depth(ctx, bus.Convert)
		return err == nil && got == want
	})
}
