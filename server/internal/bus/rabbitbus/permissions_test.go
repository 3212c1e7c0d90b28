package rabbitbus_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// definitions are those that the chart gives to its RabbitMQ.
const definitions = "../../../../charts/soundextract/charts/rabbitmq/files/definitions.json"

// TestPermissions checks with the chart's users that each service can do its work and
// nothing else, and that the chart declares the queues as this package does.
func TestPermissions(t *testing.T) {
	t.Parallel()
	broker := rabbitmq.Start(t)
	ctx := deadline(t)
	importDefinitions(t, broker)
	as := func(user string) *rabbitbus.Bus {
		return openAs(t, rabbitbus.Config{URL: uriOf(t, broker, user), Name: user, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	}
	gateway, converter, notifier := as("gateway"), as("converter"), as("notifier")

	// They may declare nothing. Each tries once on each of its two connections; the broker
	// logs the attempts.
	attempts := func() int { return strings.Count(broker.Log(t), "access_refused") }
	testkit.Eventually(t, "a refused attempt in the log", func() bool { return attempts() > 0 })
	broker.Ctl(t, "close_all_connections", "of a test")
	for name, b := range map[string]bus.Bus{"gateway": gateway, "converter": converter, "notifier": notifier} {
		testkit.Eventually(t, name+" is connected again", func() bool {
			_, err := b.Depth(ctx, bus.Convert)
			return err == nil && b.Ping(ctx) == nil
		})
	}
	if n := attempts(); n > 6 {
		t.Errorf("%d attempts to declare something were refused, want at most one for each of the first connections", n)
	}

	announced := make(chan string, 10)
	go func() { _ = gateway.Listen(ctx, func(id string) { announced <- id }) }()
	for name, b := range map[string]bus.Bus{"gateway": gateway, "converter": converter, "notifier": notifier} {
		for _, q := range bus.Queues() {
			if err := b.Publish(ctx, q, bus.Message{JobID: name}); err != nil {
				t.Errorf("%s publishes to %s: %v", name, q, err)
			}
			if _, err := b.Depth(ctx, q); err != nil {
				t.Errorf("%s reads the depth of %s: %v", name, q, err)
			}
		}
		testkit.Eventually(t, "an announcement of "+name, func() bool {
			_ = b.Announce(ctx, name)
			select {
			case id := <-announced:
				return id == name
			case <-time.After(50 * time.Millisecond):
				return false
			}
		})
	}
	for q, b := range map[bus.Queue]bus.Bus{bus.Convert: converter, bus.Notify: notifier} {
		for range 3 {
			d, err := b.Receive(ctx, q)
			if err != nil {
				t.Fatalf("receive from %s: %v", q, err)
			}
			ack(t, ctx, d)
		}
	}

	for _, c := range []struct{ user, name string }{
		{"gateway", "sx.convert"},
		{"gateway", "sx.notify"},
		{"gateway", "sx.convert.dead"},
		{"converter", "sx.notify"},
		{"converter", "sx.convert.dead"},
		{"notifier", "sx.convert"},
		{"notifier", "sx.notify.dead"},
		{"monitor", "sx.convert"},
		{"monitor", "sx.notify"},
	} {
		refused(t, broker, c.user, "consume "+c.name, func(ch *amqp.Channel) error {
			_, err := ch.Consume(c.name, "", false, false, false, false, nil)
			return err
		})
	}
	for _, user := range []string{"gateway", "converter", "notifier", "monitor"} {
		refused(t, broker, user, "declare a queue", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("mine", true, false, false, false, nil)
			return err
		})
		refused(t, broker, user, "delete a queue", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("sx.convert", false, false, false)
			return err
		})
		refused(t, broker, user, "bind to all jobs", func(ch *amqp.Channel) error {
			return ch.QueueBind("sx.notify", "convert", "sx", false, nil)
		})
	}

	// The queues are as this package declares them: a user who may do so succeeds.
	all := openAs(t, rabbitbus.Config{URL: broker.URI(), Name: "all", Log: slog.New(slog.DiscardHandler)})
	if _, err := all.Depth(ctx, bus.Convert); err != nil {
		t.Error(err)
	}
}

// TestMissingQueue checks what happens if the operator declares the queues and one is
// missing.
func TestMissingQueue(t *testing.T) {
	t.Parallel()
	broker := rabbitmq.Start(t)
	importDefinitions(t, broker)
	broker.Ctl(t, "delete_queue", "sx.notify")
	log := &testkit.LogBuffer{}
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	ended := make(chan error, 1)
	cfg := rabbitbus.Config{URL: uriOf(t, broker, "converter"), Name: "converter", Log: slog.New(slog.NewJSONHandler(log, nil))}
	go func() { _, err := rabbitbus.Open(ctx, cfg); ended <- err }()
	testkit.Eventually(t, "the queue in the log", func() bool { return strings.Contains(log.String(), "sx.notify") }, func() any { return log.String() })
	cancel()
	if err := <-ended; sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("got %v, want code unavailable", err)
	}
}

// importDefinitions does what the chart's start.sh does.
func importDefinitions(t *testing.T, broker *rabbitmq.Broker) {
	t.Helper()
	raw, err := os.ReadFile(definitions)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var users []map[string]string
	for _, name := range []string{"gateway", "converter", "notifier", "monitor"} {
		users = append(users, map[string]string{"name": name, "password": "password of " + name, "tags": ""})
	}
	all["users"] = users
	if raw, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "definitions.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	broker.Ctl(t, "import_definitions", path)
}

func uriOf(t *testing.T, broker *rabbitmq.Broker, user string) string {
	t.Helper()
	u, err := url.Parse(broker.URI())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "password of "+user)
	return u.String()
}

// refused checks that the broker denies an operation to a user.
func refused(t *testing.T, broker *rabbitmq.Broker, user, what string, operation func(ch *amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(uriOf(t, broker, user))
	if err != nil {
		t.Fatalf("%s signs in: %v", user, err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	reply, ok := operation(ch).(*amqp.Error) //nolint:errorlint // the library returns it itself
	if !ok || reply.Code != amqp.AccessRefused {
		t.Errorf("%s may %s: %v", user, what, reply)
	}
}
