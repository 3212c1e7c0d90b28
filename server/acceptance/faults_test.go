package acceptance_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/stack"
)

// TestFaults processes the same videos in several stacks. In each, a
// component fails during uploads and conversions, and the results must be those
// of the run without faults.
func TestFaults(t *testing.T) {
	programs(t)
	testkit.Need(t, "ffmpeg")
	videos := makeVideos(t)
	var want map[string]string
	t.Run("undisturbed", func(t *testing.T) {
		b := newBatch(t, videos)
		b.send()
		want = b.checkOutcome("none", nil)
	})
	if want != nil {
		t.Run("disturbed", func(t *testing.T) { disturbed(t, videos, want) })
	}
}

// disturbed injects the faults, each in a stack of its own.
func disturbed(t *testing.T, videos []string, want map[string]string) {
	for _, fault := range []struct {
		name   string
		inject func(b *batch) string // sends the videos, injects the fault and describes it
		// repeats means that a notification may be sent twice with the same id,
		// because the notifier or the store may stop between sending it and
		// recording that.
		repeats bool
		// expires means that leases expire, as when a converter dies.
		expires bool
	}{
		{"RabbitMQ stopped", stopRabbitMQ, false, false},
		{"MongoDB stopped", stopMongoDB, true, false},
		{"queues deleted", deleteQueues, false, false},
		{"messages delivered three times", triple, false, false},
		{"converter paused", pause, false, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			parallel(t) // each of them waits for a long time
			b := newBatch(t, videos)
			b.repeats, b.expires = fault.repeats, fault.expires
			b.checkOutcome(fault.inject(b), want)
		})
	}
}

// outage exceeds all timeouts of the services: a lease (20 s), an operation of
// MongoDB (15 s), the longest pause between two attempts to connect to RabbitMQ
// (5 s).
const outage = 25 * time.Second

func stopRabbitMQ(b *batch) string {
	b.send()
	b.waitUntilBusy()
	b.stack.Broker.Stop(b.t)
	b.wait(outage)
	b.stack.Broker.Restart(b.t)
	return fmt.Sprintf("RabbitMQ stopped for %v", outage)
}

func stopMongoDB(b *batch) string {
	b.send()
	b.waitUntilBusy()
	b.stack.MongoDB.Kill(b.t)
	b.wait(outage)
	b.stack.MongoDB.Resume(b.t)
	return fmt.Sprintf("MongoDB stopped for %v", outage)
}

// deletions is how often all queues are deleted.
const deletions = 3

func deleteQueues(b *batch) string {
	b.send()
	b.waitUntilBusy()
	ch := b.channel()
	lost := 0
	for range deletions {
		for _, q := range bus.Queues() {
			for _, name := range []string{queue(q), queue(q) + ".dead"} {
				n, err := ch.QueueDelete(name, false, false, false)
				if err != nil {
					b.t.Fatalf("deleting %s: %v", name, err)
				}
				lost += n
			}
		}
		b.wait(time.Duration(1000+b.random.IntN(1000)) * time.Millisecond)
	}
	return fmt.Sprintf("all queues deleted %d times, with %d wake-up messages in them, seed %d", deletions, lost, b.seed)
}

// queue returns a work queue's name at the broker.
func queue(q bus.Queue) string { return "sx." + string(q) }

// triple publishes every message to its queue two more times: a queue of the
// test receives a copy of each, which the test publishes to the work queue
// directly, bypassing the exchange.
func triple(b *batch) string {
	ch := b.channel()
	const own = "test.copies"
	if _, err := ch.QueueDeclare(own, false, false, true, false, nil); err != nil {
		b.t.Fatal(err)
	}
	for _, q := range bus.Queues() {
		if err := ch.QueueBind(own, string(q), "sx", false, nil); err != nil {
			b.t.Fatal(err)
		}
	}
	copies, err := ch.Consume(own, "", true, true, false, false, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.send()
	seen := map[string]int{}
	enough, tick := time.After(timeout), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for seen[string(bus.Notify)] < videoCount || b.unfinished() > 0 {
		select {
		case m := <-copies:
			seen[m.RoutingKey]++
			for range 2 {
				if err := ch.PublishWithContext(b.ctx, "", queue(bus.Queue(m.RoutingKey)), true, false, amqp.Publishing{
					ContentType: m.ContentType, Body: m.Body, DeliveryMode: m.DeliveryMode, MessageId: m.MessageId,
				}); err != nil {
					b.t.Fatal(err)
				}
			}
		case <-tick.C:
		case <-enough:
			b.t.Fatalf("messages seen: %v; want one to %s for each job", seen, bus.Notify)
		}
	}
	return fmt.Sprintf("%d messages to converters and %d to the notifier delivered three times", seen[string(bus.Convert)], seen[string(bus.Notify)])
}

// pause suspends a converter that is converting until another one has taken
// over its jobs, and then resumes it.
func pause(b *batch) string {
	b.send()
	b.waitUntilBusy()
	paused := b.stack.Converters[0]
	var held []job
	b.poll(shortly, "a converter holds jobs when it is paused", func() bool {
		paused.Pause(b.t)
		b.wait(100 * time.Millisecond) // for its writes to MongoDB that are in flight
		if held = b.heldBy(paused); len(held) > 0 {
			return true
		}
		paused.Continue(b.t)
		return false
	})
	started := time.Now()
	b.until("the jobs of a paused converter are taken over", func() bool {
		now := b.byID()
		for _, was := range held {
			if now[was.ID].Attempt == was.Attempt {
				return false
			}
		}
		return true
	})
	duration := time.Since(started)
	paused.Continue(b.t)
	return fmt.Sprintf("a converter with %d jobs paused for %v, its leases lasting 20s", len(held), duration.Round(time.Second))
}

// heldBy returns the running jobs whose current attempt is in the converter's
// log.
func (b *batch) heldBy(p *stack.Process) (held []job) {
	log, err := os.ReadFile(p.Log())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range b.jobs() {
		line := fmt.Sprintf(`"msg":"conversion started","job":%q,"attempt":%d,`, j.ID, j.Attempt)
		if j.State == sx.StateRunning && bytes.Contains(log, []byte(line)) {
			held = append(held, j)
		}
	}
	return held
}

// channel opens a channel to the stack's broker.
func (b *batch) channel() *amqp.Channel {
	conn, err := amqp.Dial(b.stack.Broker.URI())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		b.t.Fatal(err)
	}
	return ch
}
