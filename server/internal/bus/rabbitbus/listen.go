package rabbitbus

import (
	"context"
	"fmt"
	"log/slog"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Listen implements bus.Bus. What is announced while the connection is down is
// missed.
func (b *Bus) Listen(ctx context.Context, fn func(jobID string)) error {
	var wait backoff
	for {
		r, err := b.receiving.get(ctx)
		if err != nil {
			return err
		}
		err = r.listen(ctx, b.names.announce, fn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.ended(err) {
			continue // with the next connection
		}
		b.log.WarnContext(ctx, "listening failed, trying again", slog.Any("error", err))
		if err := b.declare(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "declaring the exchanges failed", slog.Any("error", err))
		}
		pause(ctx, wait.next(), nil)
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

// relay sends what is announced to ids. It uses a queue that is exclusive to
// the connection and ends with its only subscriber: a non-durable queue of any
// other kind is refused by newer brokers.
func (r *receiver) relay(ctx context.Context, exchange string, ids chan<- string) error {
	ch, err := r.conn.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return fmt.Errorf("declaring a listener's queue: %w", err)
	}
	if err := ch.QueueBind(q.Name, "", exchange, false, nil); err != nil {
		return fmt.Errorf("binding a listener's queue to %s: %w", exchange, err)
	}
	deliveries, err := ch.Consume(q.Name, "listen", true, true, false, false, amqp.Table{})
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", exchange, err)
	}
	for {
		select {
		case raw, ok := <-deliveries:
			if !ok {
				return errCancelled
			}
			m, err := read(raw)
			if err != nil {
				continue // not one of ours
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
