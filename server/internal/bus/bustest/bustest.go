// Package bustest tests adapters of the message port against its contract.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// deadline bounds each test; messages arrive much sooner.
const deadline = time.Minute

// Run runs the suite. open returns a bus whose queues are empty.
func Run(t *testing.T, open func(t *testing.T) bus.Bus) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, ctx context.Context, b bus.Bus)
	}{
		{"a message arrives", arrives},
		{"an acknowledged message is removed", acked},
		{"messages are delivered in order", inOrder},
		{"each message goes to one receiver", oneReceiver},
		{"a busy receiver holds no other message", noPrefetch},
		{"a returned message is delivered again", nacked},
		{"a message that always fails becomes a dead letter", deadLetter},
		{"a message carries the context of its sender", traced},
		{"queues are separate", queuesSeparate},
		{"Receive ends with its context", receiveEnds},
		{"a cancelled receiver loses no message", cancelledReceivers},
		{"every listener is called", listeners},
		{"Listen ends with its context", listenEnds},
		{"a closed bus is unavailable", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			c.test(t, ctx, b)
		})
	}
}

func publish(t *testing.T, ctx context.Context, b bus.Bus, q bus.Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := b.Publish(ctx, q, bus.Message{JobID: id}); err != nil {
			t.Fatalf("Publish(%s, %s): %v", q, id, err)
		}
	}
}

func receive(t *testing.T, ctx context.Context, b bus.Bus, q bus.Queue) bus.Delivery {
	t.Helper()
	d, err := b.Receive(ctx, q)
	if err != nil {
		t.Fatalf("Receive(%s): %v", q, err)
	}
	return d
}

func ack(t *testing.T, ctx context.Context, d bus.Delivery) {
	t.Helper()
	if err := d.Ack(ctx); err != nil {
		t.Fatalf("Ack(%s): %v", d.Message().JobID, err)
	}
}

// waitForDepth waits for the depth: a broker updates its counts with a delay.
func waitForDepth(t *testing.T, ctx context.Context, b bus.Bus, q bus.Queue, want bus.Depth) {
	t.Helper()
	var got bus.Depth
	testkit.EventuallyWithin(t, deadline, fmt.Sprintf("a depth of %+v of the queue %s", want, q), func() bool {
		var err error
		if got, err = b.Depth(ctx, q); err != nil {
			t.Fatalf("Depth(%s): %v", q, err)
		}
		return got == want
	}, func() any { return got })
}

func arrives(t *testing.T, ctx context.Context, b bus.Bus) {
	got := make(chan string, 1)
	go func() {
		d, err := b.Receive(ctx, bus.Convert)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- d.Message().JobID
		_ = d.Ack(ctx)
	}()
	publish(t, ctx, b, bus.Convert, "job1")
	if id := <-got; id != "job1" {
		t.Errorf("received %q, want job1", id)
	}
}

func acked(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "job1")
	waitForDepth(t, ctx, b, bus.Convert, bus.Depth{Ready: 1})
	ack(t, ctx, receive(t, ctx, b, bus.Convert))
	waitForDepth(t, ctx, b, bus.Convert, bus.Depth{})
	publish(t, ctx, b, bus.Convert, "job2")
	d := receive(t, ctx, b, bus.Convert)
	if id := d.Message().JobID; id != "job2" {
		t.Errorf("received %q after the acknowledged message, want job2", id)
	}
	ack(t, ctx, d)
}

func inOrder(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "a", "b", "c")
	for _, want := range []string{"a", "b", "c"} {
		d := receive(t, ctx, b, bus.Convert)
		if got := d.Message().JobID; got != want {
			t.Errorf("received %q, want %q", got, want)
		}
		ack(t, ctx, d)
	}
}

func oneReceiver(t *testing.T, ctx context.Context, b bus.Bus) {
	const messages, receivers = 100, 8
	got := make(chan string, messages)
	rctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for {
				d, err := b.Receive(rctx, bus.Convert)
				if err != nil {
					return
				}
				_ = d.Ack(ctx)
				got <- d.Message().JobID
			}
		})
	}
	for i := range messages {
		publish(t, ctx, b, bus.Convert, fmt.Sprint("job", i))
	}
	seen := map[string]int{}
	for range messages {
		select {
		case id := <-got:
			seen[id]++
		case <-ctx.Done():
			t.Fatalf("only %d of %d messages arrived", len(seen), messages)
		}
	}
	stop()
	wg.Wait()
	if len(seen) != messages || len(got) != 0 {
		t.Errorf("%d different messages and %d more arrived, want %d and none", len(seen), len(got), messages)
	}
}

func noPrefetch(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "long", "short")
	busy := receive(t, ctx, b, bus.Convert) // has not acknowledged, and is not in Receive
	other := receive(t, ctx, b, bus.Convert)
	if id := other.Message().JobID; id != "short" {
		t.Errorf("the idle receiver got %q, want short", id)
	}
	ack(t, ctx, other)
	ack(t, ctx, busy)
	publish(t, ctx, b, bus.Convert, "next") // the busy one has acknowledged, but is not in Receive either
	third := receive(t, ctx, b, bus.Convert)
	if id := third.Message().JobID; id != "next" {
		t.Errorf("got %q, want next", id)
	}
	ack(t, ctx, third)
}

func nacked(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "job1")
	if err := receive(t, ctx, b, bus.Convert).Nack(ctx); err != nil {
		t.Fatalf("Nack: %v", err)
	}
	d := receive(t, ctx, b, bus.Convert)
	if id := d.Message().JobID; id != "job1" {
		t.Errorf("received %q, want job1 again", id)
	}
	ack(t, ctx, d)
}

func traced(t *testing.T, ctx context.Context, b bus.Bus) {
	want := bus.Message{JobID: "job1", Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	if err := b.Publish(ctx, bus.Convert, want); err != nil {
		t.Fatal(err)
	}
	d := receive(t, ctx, b, bus.Convert)
	if got := d.Message(); got != want {
		t.Errorf("received %+v, want %+v", got, want)
	}
	ack(t, ctx, d)
}

func deadLetter(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "poison")
	for range bus.MaxDeliveries {
		if err := receive(t, ctx, b, bus.Convert).Nack(ctx); err != nil {
			t.Fatalf("Nack: %v", err)
		}
	}
	waitForDepth(t, ctx, b, bus.Convert, bus.Depth{Dead: 1})
	publish(t, ctx, b, bus.Convert, "healthy")
	d := receive(t, ctx, b, bus.Convert)
	if id := d.Message().JobID; id != "healthy" {
		t.Errorf("received %q, want healthy", id)
	}
	ack(t, ctx, d)
}

func queuesSeparate(t *testing.T, ctx context.Context, b bus.Bus) {
	publish(t, ctx, b, bus.Convert, "c")
	publish(t, ctx, b, bus.Notify, "n")
	for q, want := range map[bus.Queue]string{bus.Notify: "n", bus.Convert: "c"} {
		d := receive(t, ctx, b, q)
		if got := d.Message().JobID; got != want {
			t.Errorf("%s: received %q, want %q", q, got, want)
		}
		ack(t, ctx, d)
	}
}

func receiveEnds(t *testing.T, ctx context.Context, b bus.Bus) {
	rctx, cancel := context.WithCancel(ctx)
	got := make(chan error, 1)
	go func() {
		_, err := b.Receive(rctx, bus.Convert)
		got <- err
	}()
	cancel()
	select {
	case err := <-got:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Receive returned %v, want context.Canceled", err)
		}
	case <-ctx.Done():
		t.Error("Receive did not end with its context")
	}
}

// cancelledReceivers cancels receivers while messages are being published: each
// message must still reach the remaining receiver.
func cancelledReceivers(t *testing.T, ctx context.Context, b bus.Bus) {
	const rounds = 100
	for i := range rounds {
		rctx, leave := context.WithCancel(ctx)
		got := make(chan bus.Delivery, 1)
		go func() {
			d, err := b.Receive(rctx, bus.Convert)
			if err != nil {
				d = nil
			}
			got <- d
		}()
		// Half of the receivers wait by now, the others are just starting.
		if i%2 == 0 {
			<-time.After(2 * time.Millisecond)
		}
		leave()
		want := fmt.Sprint("job", i)
		publish(t, ctx, b, bus.Convert, want)
		d := <-got
		if d == nil {
			d = receive(t, ctx, b, bus.Convert)
		}
		if id := d.Message().JobID; id != want {
			t.Fatalf("received %q, want %q", id, want)
		}
		ack(t, ctx, d)
	}
}

func listeners(t *testing.T, ctx context.Context, b bus.Bus) {
	const n = 3
	lctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var called [n]chan string
	for i := range n {
		called[i] = make(chan string, 1000)
		wg.Go(func() {
			_ = b.Listen(lctx, func(id string) {
				select {
				case called[i] <- id:
				default:
				}
			})
		})
	}
	// Listeners start at different times: announce until each has been called.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		for done := false; !done; {
			if err := b.Announce(ctx, "job1"); err != nil {
				t.Fatalf("Announce: %v", err)
			}
			select {
			case id := <-called[i]:
				if id != "job1" {
					t.Errorf("listener %d got %q, want job1", i, id)
				}
				done = true
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("listener %d got nothing", i)
			}
		}
	}
}

func listenEnds(t *testing.T, ctx context.Context, b bus.Bus) {
	lctx, cancel := context.WithCancel(ctx)
	got := make(chan error, 1)
	go func() { got <- b.Listen(lctx, func(string) {}) }()
	cancel()
	select {
	case err := <-got:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Listen returned %v, want context.Canceled", err)
		}
	case <-ctx.Done():
		t.Error("Listen did not end with its context")
	}
}

func closed(t *testing.T, ctx context.Context, b bus.Bus) {
	waiting := make(chan error, 2)
	go func() {
		_, err := b.Receive(ctx, bus.Convert)
		waiting <- err
	}()
	go func() { waiting <- b.Listen(ctx, func(string) {}) }()
	if err := b.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for range 2 {
		select {
		case err := <-waiting:
			if sx.CodeOf(err) != sx.CodeUnavailable {
				t.Errorf("a waiting call returned %v, want code unavailable", err)
			}
		case <-ctx.Done():
			t.Fatal("a waiting call did not end when the bus was closed")
		}
	}
	for name, err := range map[string]error{
		"Publish":  b.Publish(ctx, bus.Convert, bus.Message{JobID: "x"}),
		"Announce": b.Announce(ctx, "x"),
		"Ping":     b.Ping(ctx),
	} {
		if sx.CodeOf(err) != sx.CodeUnavailable {
			t.Errorf("%s on a closed bus returned %v, want code unavailable", name, err)
		}
	}
}
