package rabbitbus

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Listen implements bus.Bus. Announcements made while the connection is down
// are missed.
func (b *Bus) Listen(ctx context.Context, fn func(jobID string)) error {
	wait := newBackoff()
	for {
		r, err := b.receiving.wait(ctx)
		if err != nil {
			return err
		}
		err = r.listen(ctx, b.names.announce, fn)
		if err := b.resubscribe(ctx, r, err, &wait); err != nil {
			return err
		}
	}
}

// listen calls fn from the caller's goroutine until the subscription or ctx ends.
func (r *receiver) listen(ctx context.Context, exchange string, fn func(jobID string)) error {
	ids := make(chan string)
	done := make(chan error, 1)
	if !r.tasks.run(func() { done <- r.relay(ctx, exchange, ids) }) {
		return errClosed
	}
	for {
		select {
		case id := <-ids:
			fn(id)
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// relay sends the announced ids to ids. Its queue is exclusive to the
// connection and ends with its only subscriber: newer brokers refuse any other
// queue that is not durable.
func (r *receiver) relay(ctx context.Context, exchange string, ids chan<- string) error {
	ch, err := r.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return fmt.Errorf("declare a listener's queue: %w", err)
	}
	if err := ch.QueueBind(q.Name, "", exchange, false, nil); err != nil {
		return fmt.Errorf("bind a listener's queue to %s: %w", exchange, err)
	}
	deliveries, err := ch.Consume(q.Name, "listen", true, true, false, false, amqp.Table{})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", exchange, err)
	}
	for {
		select {
		case raw, ok := <-deliveries:
			if !ok {
				return errCancelled
			}
			m, err := decode(raw)
			if err != nil {
				continue // not ours
			}
			select {
			case ids <- m.JobID:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
