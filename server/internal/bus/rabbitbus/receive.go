package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
)

// errCancelled says that the broker ended a consumer, as it does when the queue
// is deleted.
var errCancelled = errors.New("the message broker ended the subscription")

// renewEvery is how long a subscription without a message lasts. When a queue is
// deleted and declared anew at once, RabbitMQ 3 may subscribe the waiting
// receivers to the new queue by itself and then lose track of them: they would
// wait for ever, each with a message that nobody else gets. A new subscription
// on a new channel is free of that.
const renewEvery = 20 * time.Second

// Receive implements bus.Bus. It subscribes to the queue, takes one message and
// ends the subscription before it returns. The broker sends a subscriber one
// unacknowledged message at most, so nothing is fetched ahead; and once the
// message is acknowledged there is no subscription that another could come to.
func (b *Bus) Receive(ctx context.Context, q bus.Queue) (bus.Delivery, error) {
	var wait backoff
	for {
		r, err := b.receiving.get(ctx)
		if err != nil {
			return nil, err
		}
		d, err := r.receive(ctx, b.names.queue(q))
		if err == nil {
			return d, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if r.ended(err) {
			continue // with the next connection
		}
		// Only the subscription failed: most likely the queue is missing.
		b.log.WarnContext(ctx, "a subscription failed, subscribing again",
			slog.String("queue", b.names.queue(q)), slog.Any("error", err))
		if err := b.declare(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "declaring the queues failed", slog.Any("error", err))
		}
		pause(ctx, wait.next(), nil)
	}
}

type received struct {
	delivery *delivery
	err      error
}

func (r *receiver) receive(ctx context.Context, queue string) (*delivery, error) {
	out := make(chan received)
	if !r.tasks.run(func() { r.await(ctx, queue, out) }) {
		return nil, errClosed
	}
	select {
	case got := <-out:
		return got.delivery, got.err
	case <-ctx.Done(): // await gives back what comes in this moment
		return nil, ctx.Err()
	}
}

// await waits for one message and hands it out, or gives it back when ctx ends.
func (r *receiver) await(ctx context.Context, queue string, out chan<- received) {
	var d *delivery
	var err error
	for d == nil && err == nil {
		d, err = r.next(ctx, queue)
	}
	select {
	case out <- received{d, err}:
	case <-ctx.Done():
		if d != nil {
			d.giveBack()
		}
	}
}

// next subscribes until there is a message, ctx ends, or the subscription is to
// be renewed; then both results are nil.
func (r *receiver) next(ctx context.Context, queue string) (*delivery, error) {
	ch, err := r.take()
	if err != nil {
		return nil, err
	}
	tag := r.tag()
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("subscribing: %w", err) // and the channel has gone
	}
	d, err := r.first(ctx, ch, deliveries)
	if cancelErr := ch.Cancel(tag, false); cancelErr != nil {
		_ = ch.Close()
		return nil, fmt.Errorf("ending the subscription: %w", cancelErr)
	}
	for raw := range deliveries { // what came while the subscription ended
		if d == nil && err == nil {
			d, err = r.accept(ch, raw)
		} else {
			_ = raw.Nack(false, true)
		}
	}
	if d == nil {
		_ = ch.Close()
	}
	return d, err
}

// first is the first good message, or neither a message nor an error when none
// has come for long.
func (r *receiver) first(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery) (*delivery, error) {
	old := time.NewTimer(r.renew)
	defer old.Stop()
	for {
		select {
		case raw, ok := <-deliveries:
			if !ok {
				return nil, errCancelled
			}
			if d, err := r.accept(ch, raw); d != nil || err != nil {
				return d, err
			}
		case <-old.C:
			return nil, nil //nolint:nilnil // see above
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *receiver) tag() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags++
	return fmt.Sprintf("receive-%d", r.tags)
}

// accept makes a delivery of a message. One that was handed out too often, or
// that cannot be read, becomes a dead letter, and accept returns nil.
func (r *receiver) accept(ch *amqp.Channel, raw amqp.Delivery) (*delivery, error) {
	m, err := read(raw)
	if err != nil || handedOut(raw) >= bus.MaxDeliveries {
		return nil, raw.Reject(false)
	}
	return &delivery{raw: raw, message: m, channel: ch, from: r}, nil
}
