package rabbitbus

import (
	"errors"
	"fmt"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
)

// maxDeadLetters bounds each queue of dead letters, which no program reads; the
// oldest are dropped first.
const maxDeadLetters = 10_000

// names are the names of the exchanges and queues at the broker:
//
//	sx           direct, key "convert" or "notify" → sx.convert, sx.notify
//	sx.dead      direct, the same keys → sx.convert.dead, sx.notify.dead
//	sx.announce  fanout → one exclusive queue per listener
type names struct {
	// readOnly is set once the broker has refused a declaration by the user. RabbitMQ logs an
	// error for each such attempt.
	readOnly *atomic.Bool
	prefix   string
	work     string
	dead     string
	announce string
}

func newNames(prefix string) names {
	if prefix == "" {
		prefix = "sx"
	}
	return names{readOnly: new(atomic.Bool), prefix: prefix, work: prefix, dead: prefix + ".dead", announce: prefix + ".announce"}
}

func (n names) queue(q bus.Queue) string       { return n.prefix + "." + string(q) }
func (n names) deadLetters(q bus.Queue) string { return n.queue(q) + ".dead" }

// declare declares missing exchanges and queues. Queues have only the arguments
// that the port's contract needs, because RabbitMQ rejects a declaration if the
// queue exists with other arguments; lengths, limits and the like are left to
// the operator's policies.
func (n names) declare(ch *amqp.Channel) error {
	for name, kind := range map[string]string{
		n.work: amqp.ExchangeDirect, n.dead: amqp.ExchangeDirect, n.announce: amqp.ExchangeFanout,
	} {
		if err := ch.ExchangeDeclare(name, kind, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare exchange %s: %w", name, err)
		}
	}
	for _, q := range bus.Queues() {
		// Dead letters need their queue, so it comes first.
		if err := declareQueue(ch, n.deadLetters(q), n.dead, string(q), amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueMaxLenArg: maxDeadLetters,
		}); err != nil {
			return err
		}
		if err := declareQueue(ch, n.queue(q), n.work, string(q), amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-dead-letter-exchange": n.dead,
			"x-delivery-limit": bus.MaxDeliveries - 1, // deliveries after the first
		}); err != nil {
			return err
		}
	}
	return nil
}

func declareQueue(ch *amqp.Channel, name, exchange, key string, args amqp.Table) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return fmt.Errorf("declare queue %s: %w", name, err)
	}
	if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue %s to %s: %w", name, exchange, err)
	}
	return nil
}

// verify checks that the exchanges and queues exist.
func (n names) verify(ch *amqp.Channel) error {
	for _, name := range []string{n.work, n.dead, n.announce} {
		// The broker ignores the other arguments.
		if err := ch.ExchangeDeclarePassive(name, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return fmt.Errorf("find exchange %s: %w", name, err)
		}
	}
	for _, q := range bus.Queues() {
		for _, name := range []string{n.queue(q), n.deadLetters(q)} {
			if _, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
				return fmt.Errorf("find queue %s: %w", name, err)
			}
		}
	}
	return nil
}

// prepare declares missing exchanges and queues. If the user may not, because the
// operator declares them, it checks that they exist.
func (n names) prepare(do func(func(ch *amqp.Channel) error) error) error {
	if !n.readOnly.Load() {
		err := do(n.declare)
		if !hasReply(err, amqp.AccessRefused) {
			return err
		}
		n.readOnly.Store(true)
	}
	err := do(n.verify)
	if hasReply(err, amqp.NotFound) { // the user may have been permitted to declare it since
		n.readOnly.Store(false)
	}
	return err
}

// hasReply reports whether err is what the broker replied, with the code.
func hasReply(err error, code int) bool {
	var reply *amqp.Error
	return errors.As(err, &reply) && reply.Code == code
}

// prepareOn is prepare on new channels, because an error closes a channel.
func (n names) prepareOn(conn *amqp.Connection) error {
	return n.prepare(func(work func(ch *amqp.Channel) error) error {
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		if err := work(ch); err != nil {
			return err
		}
		return ch.Close()
	})
}
