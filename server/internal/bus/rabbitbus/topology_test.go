package rabbitbus_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/testkit"
)

// queues lists the names of all queues that a bus with this prefix declares.
func queues(prefix string) []string {
	var names []string
	for _, q := range bus.Queues() {
		names = append(names, prefix+"."+string(q), prefix+"."+string(q)+".dead")
	}
	return names
}

func deleteQueues(t *testing.T, ch *amqp.Channel, prefix string) {
	t.Helper()
	for _, name := range queues(prefix) {
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			t.Fatalf("QueueDelete(%s): %v", name, err)
		}
	}
}

func TestQueuesDeletedUnderReceiver(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	cfg := config(t, uri, t.Output())
	b := openAs(t, rabbitbus.Renewing(cfg, time.Second))
	ch := rawChannel(t, uri)
	got := make(chan string, 1)
	go func() {
		d, err := b.Receive(ctx, bus.Convert)
		if err != nil {
			got <- err.Error()
			return
		}
		_ = d.Ack(ctx)
		got <- d.Message().JobID
	}()
	name := cfg.Prefix + "." + string(bus.Convert)
	testkit.Eventually(t, "a subscriber", func() bool {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	})
	deleteQueues(t, ch, cfg.Prefix)
	testkit.Eventually(t, "a subscriber to the new queue", func() bool {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		if err != nil {
			ch = rawChannel(t, uri) // the error closed the previous one
		}
		return err == nil && q.Consumers == 1
	})
	publish(t, ctx, b, "job1")
	if id := <-got; id != "job1" {
		t.Errorf("received %s, want job1", id)
	}
}

func TestQueuesDeleted(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	cfg := config(t, uri, t.Output())
	b := openAs(t, cfg)
	ch := rawChannel(t, uri)
	publish(t, ctx, b, "lost")
	held := receive(t, ctx, b, "lost")

	deleteQueues(t, ch, cfg.Prefix)
	waitForDepth(t, ctx, b, bus.Depth{}) // Depth declares
	publish(t, ctx, b, "job1")
	_ = held.Ack(ctx) // the message no longer exists: Ack may fail, but must have no other effect
	ack(t, ctx, receive(t, ctx, b, "job1"))

	deleteQueues(t, ch, cfg.Prefix)
	rctx, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = b.Receive(rctx, bus.Convert) // Receive declares, too
	}()
	for _, name := range queues(cfg.Prefix) {
		testkit.Eventually(t, name, func() bool {
			_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			if err != nil {
				ch = rawChannel(t, uri) // the error closed the previous one
			}
			return err == nil
		})
	}
	leave()
	<-left
}

func TestExchangesDeleted(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	cfg := config(t, uri, t.Output())
	b := openAs(t, cfg)
	ch := rawChannel(t, uri)
	for _, name := range []string{cfg.Prefix, cfg.Prefix + ".dead", cfg.Prefix + ".announce"} {
		if err := ch.ExchangeDelete(name, false, false); err != nil {
			t.Fatalf("ExchangeDelete: %v", err)
		}
	}
	called := make(chan string, 100)
	go func() {
		_ = b.Listen(ctx, func(id string) {
			select {
			case called <- id:
			default:
			}
		})
	}()
	publish(t, ctx, b, "job1")
	ack(t, ctx, receive(t, ctx, b, "job1"))
	testkit.Eventually(t, "an announcement", func() bool {
		_ = b.Announce(ctx, "job1") // fails until the exchange exists again
		select {
		case id := <-called:
			return id == "job1"
		default:
			return false
		}
	})
}

func TestForeignAnnouncement(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	cfg := config(t, uri, t.Output())
	b := openAs(t, cfg)
	ch := rawChannel(t, uri)
	called := make(chan string, 1000)
	go func() { _ = b.Listen(ctx, func(id string) { called <- id }) }()
	testkit.Eventually(t, "an announcement", func() bool {
		if err := ch.Publish(cfg.Prefix+".announce", "", false, false, amqp.Publishing{Body: []byte("?")}); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		if err := b.Announce(ctx, "job1"); err != nil {
			t.Fatalf("Announce: %v", err)
		}
		select {
		case id := <-called:
			return id == "job1"
		default:
			return false
		}
	})
}
