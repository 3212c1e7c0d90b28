package rabbitbus_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// rawChannel opens a channel that bypasses the bus.
func rawChannel(t *testing.T, uri string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("Channel: %v", err)
	}
	return ch
}

func TestManyPublishers(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	b := open(t, uri)
	const publishers, each = 8, 1000
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("job-%d-%d", p, i)
				if err := b.Publish(ctx, bus.Convert, bus.Message{JobID: id}); err != nil {
					t.Errorf("Publish(%s): %v", id, err)
					return
				}
			}
		})
	}
	var mu sync.Mutex
	seen := map[string]int{}
	for range publishers {
		wg.Go(func() {
			for {
				mu.Lock()
				all := len(seen) >= publishers*each
				mu.Unlock()
				if all {
					return
				}
				rctx := within(t, 2*time.Second)
				d, err := b.Receive(rctx, bus.Convert)
				if err != nil {
					if ctx.Err() != nil {
						return
					}
					continue
				}
				mu.Lock()
				seen[d.Message().JobID]++
				mu.Unlock()
				if err := d.Ack(ctx); err != nil {
					t.Errorf("Ack: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
	if len(seen) != publishers*each {
		t.Errorf("%d messages arrived, want %d", len(seen), publishers*each)
	}
	waitForDepth(t, ctx, b, bus.Depth{})
}

// TestRenewal publishes in every phase of a short subscription.
func TestRenewal(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	const interval, messages = 200 * time.Millisecond, 20
	b := openAs(t, rabbitbus.Renewing(config(t, shared.URI(t), t.Output()), interval))
	tick := time.NewTicker(interval - interval/messages)
	defer tick.Stop()
	for i := range messages {
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
		<-tick.C
		want := fmt.Sprint("job", i)
		publish(t, ctx, b, want)
		if id := <-got; id != want {
			t.Fatalf("received %s, want %s", id, want)
		}
	}
	waitForDepth(t, ctx, b, bus.Depth{})
}

func TestRefusedByQueue(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	cfg := config(t, uri, t.Output())
	b := openAs(t, cfg)
	// A full queue that rejects messages, as an operator's policy can cause.
	ch := rawChannel(t, uri)
	full := cfg.Prefix + ".full"
	if _, err := ch.QueueDeclare(full, false, true, true, false, amqp.Table{
		"x-max-length": 0, "x-overflow": "reject-publish",
	}); err != nil {
		t.Fatalf("QueueDeclare: %v", err)
	}
	if err := ch.QueueBind(full, string(bus.Convert), cfg.Prefix, false, nil); err != nil {
		t.Fatalf("QueueBind: %v", err)
	}
	err := b.Publish(ctx, bus.Convert, bus.Message{JobID: "job1"})
	if sx.CodeOf(err) != sx.CodeUnavailable || ctx.Err() != nil {
		t.Errorf("Publish returned %v, want code unavailable before the deadline", err)
	}
}

func TestUnreadableMessage(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	ctx := deadline(t)
	log := &testkit.LogBuffer{}
	cfg := config(t, uri, log)
	b := openAs(t, cfg)
	ch := rawChannel(t, uri)
	for _, body := range []string{"not JSON", "{}"} {
		if err := ch.Publish(cfg.Prefix, string(bus.Convert), true, false, amqp.Publishing{Body: []byte(body)}); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	waitForDepth(t, ctx, b, bus.Depth{Ready: 2})
	publish(t, ctx, b, "readable")
	ack(t, ctx, receive(t, ctx, b, "readable"))
	waitForDepth(t, ctx, b, bus.Depth{Dead: 2})
	if n := strings.Count(log.String(), "rejecting a malformed message, which becomes a dead letter"); n != 2 {
		t.Errorf("%d lines about malformed messages, want 2:\n%s", n, log)
	}
}

// TestReceiversThatDie checks that a message whose receivers die becomes a dead
// letter.
func TestReceiversThatDie(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	cfg := config(t, shared.URI(t), t.Output())
	b := openAs(t, cfg)
	publish(t, ctx, b, "deadly")
	for range bus.MaxDeliveries {
		victim, err := rabbitbus.Open(ctx, cfg)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		receive(t, ctx, victim, "deadly")
		if err := victim.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	publish(t, ctx, b, "healthy")
	ack(t, ctx, receive(t, ctx, b, "healthy"))
	waitForDepth(t, ctx, b, bus.Depth{Dead: 1})
}

func TestDeliveryEndsOnce(t *testing.T) {
	t.Parallel()
	b := open(t, shared.URI(t))
	ctx := deadline(t)
	publish(t, ctx, b, "first")
	publish(t, ctx, b, "second")
	first := receive(t, ctx, b, "first")
	ack(t, ctx, first)
	second := receive(t, ctx, b, "second") // on the channel that the first delivery released
	if first.Ack(ctx) == nil || first.Nack(ctx) == nil {
		t.Error("a second Ack of a delivery was accepted")
	}
	ack(t, ctx, second)
	waitForDepth(t, ctx, b, bus.Depth{})
}

func TestCloseLeavesNothing(t *testing.T) {
	uri := shared.URI(t)
	cfg := config(t, uri, t.Output())
	ctx := deadline(t)
	before := goleak.IgnoreCurrent()
	b, err := rabbitbus.Open(ctx, cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	publish(t, ctx, b, "job1")
	receive(t, ctx, b, "job1") // stays unacknowledged
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { _, _ = b.Receive(ctx, bus.Convert) })
		wg.Go(func() { _ = b.Listen(ctx, func(string) {}) })
		wg.Go(func() { _ = b.Publish(ctx, bus.Convert, bus.Message{JobID: "job2"}) })
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Error("a call is still running after Close")
	}
	if _, err := b.Depth(ctx, bus.Convert); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Depth on a closed bus returned %v, want code unavailable", err)
	}
	goleak.VerifyNone(t, before)
}
