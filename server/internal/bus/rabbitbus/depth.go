package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
)

// Depth implements bus.Bus. It does not wait for a broker that is unreachable.
func (b *Bus) Depth(ctx context.Context, q bus.Queue) (bus.Depth, error) {
	for declared := false; ; declared = true {
		r, err := b.receiving.current()
		if err != nil {
			return bus.Depth{}, err
		}
		depth := make(chan bus.Depth, 1)
		err = r.do(ctx, func(ch *amqp.Channel) error {
			ready, err := count(ch, b.names.queue(q))
			if err != nil {
				return err
			}
			dead, err := count(ch, b.names.deadLetters(q))
			depth <- bus.Depth{Ready: ready, Dead: dead}
			return err
		})
		var reply *amqp.Error
		switch {
		case err == nil:
			return <-depth, nil
		case errors.As(err, &reply) && reply.Code == amqp.NotFound && !declared:
			if err := b.declare(ctx); err != nil {
				return bus.Depth{}, unavailable(err)
			}
		default:
			return bus.Depth{}, unavailable(err)
		}
	}
}

// count returns how many messages wait in a queue.
func count(ch *amqp.Channel, queue string) (int, error) {
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("count the messages of the queue %s: %w", queue, err)
	}
	return q.Messages, nil
}
