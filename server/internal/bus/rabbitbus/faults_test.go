package rabbitbus_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// TestFaults injects faults into a broker that no other test uses.
func TestFaults(t *testing.T) {
	t.Parallel()
	broker := rabbitmq.Start(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, broker *rabbitmq.Broker)
	}{
		{"TLS", overTLS},
		{"connections closed by the operator", connectionsClosed},
		{"publishers blocked", publishersBlocked},
		{"stopped and started", func(t *testing.T, broker *rabbitmq.Broker) { outage(t, broker, broker.Stop) }},
		{"killed and started", func(t *testing.T, broker *rabbitmq.Broker) { outage(t, broker, broker.Kill) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, broker) })
	}
}

func overTLS(t *testing.T, broker *rabbitmq.Broker) {
	ctx := deadline(t)
	uri, authority := broker.TLSURI()
	cfg := config(t, broker.URI(), t.Output())
	cfg.URL = uri
	_, err := rabbitbus.Open(ctx, cfg)
	if e := sx.AsError(err); e == nil || e.Code != sx.CodeInvalid || !strings.Contains(e.Hint, "cacertfile") {
		t.Errorf("Open without the authority returned %v, want code invalid and the setting", err)
	}
	cfg.URL += "?cacertfile=" + url.QueryEscape(authority)
	b := openAs(t, cfg)
	publish(t, ctx, b, "job1")
	ack(t, ctx, receive(t, ctx, b, "job1"))
	if names := broker.Ctl(t, "list_connections", "client_properties"); !strings.Contains(names, cfg.Name) {
		t.Errorf("the program's name is not in the broker's connections:\n%s", names)
	}
}

func connectionsClosed(t *testing.T, broker *rabbitmq.Broker) {
	ctx := deadline(t)
	b := open(t, broker.URI())
	called := make(chan string, 1000)
	go func() { _ = b.Listen(ctx, func(id string) { called <- id }) }()
	publish(t, ctx, b, "job1")
	old := receive(t, ctx, b, "job1")

	broker.Ctl(t, "close_all_connections", "maintenance")
	testkit.Eventually(t, "both connections", func() bool { return b.Ping(ctx) == nil })

	publish(t, ctx, b, "job2")
	again := receive(t, ctx, b, "job1")
	if err := old.Ack(ctx); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Ack of a lost connection's delivery returned %v, want code unavailable", err)
	}
	ack(t, ctx, again)
	ack(t, ctx, receive(t, ctx, b, "job2"))
	waitForDepth(t, ctx, b, bus.Depth{})
	testkit.Eventually(t, "an announcement on the new connections", func() bool {
		_ = b.Announce(ctx, "job1")
		return len(called) > 0
	})
}

// publishersBlocked makes the broker believe that it is short of memory.
func publishersBlocked(t *testing.T, broker *rabbitmq.Broker) {
	ctx := deadline(t)
	b := open(t, broker.URI())
	publish(t, ctx, b, "job1")
	broker.Ctl(t, "set_vm_memory_high_watermark", "0.00001")
	testkit.Eventually(t, "Publish to be blocked", func() bool {
		short := within(t, 300*time.Millisecond)
		err := b.Publish(short, bus.Convert, bus.Message{JobID: "job2"})
		return sx.CodeOf(err) == sx.CodeUnavailable && short.Err() != nil
	})
	if err := b.Announce(ctx, "job1"); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Announce returned %v, want code unavailable", err)
	}
	ack(t, ctx, receive(t, ctx, b, "job1")) // receiving continues
	if err := b.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	broker.Ctl(t, "set_vm_memory_high_watermark", "absolute", "1GB")
	publish(t, ctx, b, "job3")
	testkit.Eventually(t, "an announcement", func() bool { return b.Announce(ctx, "job3") == nil })
}

// outage stops the broker while messages are being sent: each one that Publish
// has confirmed must arrive.
func outage(t *testing.T, broker *rabbitmq.Broker, stop func(testing.TB)) {
	ctx := deadline(t)
	b := open(t, broker.URI())
	pctx, stopPublishing := context.WithCancel(ctx)
	var mu sync.Mutex
	confirmed, arrived := map[string]bool{}, map[string]bool{}
	count := func(m map[string]bool) int {
		mu.Lock()
		defer mu.Unlock()
		return len(m)
	}
	var publishers, receivers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() {
			for i := 0; pctx.Err() == nil; i++ {
				id := fmt.Sprintf("job-%d-%d", p, i)
				if b.Publish(pctx, bus.Convert, bus.Message{JobID: id}) == nil {
					mu.Lock()
					confirmed[id] = true
					mu.Unlock()
				}
			}
		})
	}
	rctx, stopReceiving := context.WithCancel(ctx)
	for range 4 {
		receivers.Go(func() {
			for {
				d, err := b.Receive(rctx, bus.Convert)
				if err != nil {
					return
				}
				mu.Lock()
				arrived[d.Message().JobID] = true
				mu.Unlock()
				_ = d.Ack(ctx)
			}
		})
	}
	testkit.Eventually(t, "messages are being delivered", func() bool { return count(arrived) > 50 })
	stop(t)
	testkit.Eventually(t, "Ping to fail", func() bool { return b.Ping(ctx) != nil })
	if _, err := b.Depth(ctx, bus.Convert); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Depth returned %v, want code unavailable", err)
	}
	if err := b.Announce(ctx, "job1"); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Announce returned %v, want code unavailable", err)
	}
	late := openDuringOutage(t, ctx, broker)
	broker.Restart(t)
	if err := <-late; err != nil {
		t.Errorf("a bus opened during the outage: %v", err)
	}
	publish(t, ctx, b, "after the outage")
	testkit.Eventually(t, "a message after the outage", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return arrived["after the outage"]
	})
	stopPublishing()
	publishers.Wait()
	testkit.Eventually(t, "all confirmed messages arrive", func() bool {
		mu.Lock()
		defer mu.Unlock()
		// Each is looked for once, so that the receivers do not have to wait for this loop.
		for id := range confirmed {
			if !arrived[id] {
				return false
			}
			delete(confirmed, id)
		}
		return true
	}, func() any {
		return fmt.Sprintf("%d of them not seen yet, %d arrived", count(confirmed), count(arrived))
	})
	stopReceiving()
	receivers.Wait()
	if err := b.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

// openDuringOutage opens two buses while the broker is down: one gives up soon,
// the other publishes as soon as it can and sends the result.
func openDuringOutage(t *testing.T, ctx context.Context, broker *rabbitmq.Broker) <-chan error {
	t.Helper()
	cfg := config(t, broker.URI(), t.Output())
	_, err := rabbitbus.Open(within(t, 300*time.Millisecond), cfg)
	if e := sx.AsError(err); e == nil || e.Code != sx.CodeUnavailable || !strings.Contains(e.Hint, "TEST_AMQP_URL") {
		t.Errorf("Open returned %v, want code unavailable and the setting", err)
	}
	published := make(chan error, 1)
	go func() {
		b, err := rabbitbus.Open(ctx, cfg)
		if err == nil {
			err = b.Publish(ctx, bus.Convert, bus.Message{JobID: "job1"})
			_ = b.Close()
		}
		published <- err
	}()
	return published
}
