package rabbitbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// errCancelled means that the broker ended a subscription, as it does when the
// queue is deleted.
var errCancelled = errors.New("the message broker ended the subscription")

// renewInterval is how long a subscription without a message lasts. If a queue
// is deleted and declared again at once, RabbitMQ 3 may subscribe the waiting
// receivers to the new queue by itself and then lose track of them: they would
// wait forever, each with a message that no other receiver gets. A new
// subscription on a new channel prevents that.
const renewInterval = 20 * time.Second

// Receive implements bus.Bus. It subscribes to the queue, takes one message and
// ends the subscription before it returns. The broker sends a subscriber at most
// one unacknowledged message, so nothing is fetched ahead; and after the
// acknowledgement there is no subscription that could get another one.
func (b *Bus) Receive(ctx context.Context, q bus.Queue) (bus.Delivery, error) {
	wait := newBackoff()
	for {
		r, err := b.receiving.wait(ctx)
		if err != nil {
			return nil, err
		}
		d, err := r.receive(ctx, b.names.queue(q))
		if err == nil {
			return d, nil
		}
		if err := b.resubscribe(ctx, r, err, &wait); err != nil {
			return nil, err
		}
	}
}

// resubscribe prepares another subscription after one failed with cause. It
// only returns ctx's error.
func (b *Bus) resubscribe(ctx context.Context, r *receiver, cause error, wait *backoff.Backoff) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.causedBy(cause) {
		return nil // the next connection declares the queues
	}
	// Only the subscription failed: most likely the queue or exchange is missing.
	b.log.WarnContext(ctx, "a subscription failed, subscribing again", slog.Any("error", cause))
	if err := b.declare(ctx); err != nil && ctx.Err() == nil {
		b.log.WarnContext(ctx, "declaring the queues failed", slog.Any("error", err))
	}
	return backoff.Sleep(ctx, wait.Next())
}

// deletionDelay is the pause between noticing that a queue is missing and
// declaring it again, in which the broker ends the subscriptions to the old one;
// see renewInterval.
const deletionDelay = 100 * time.Millisecond

// declare declares missing exchanges and queues at the broker, as far as the user may.
func (b *Bus) declare(ctx context.Context) error {
	if err := backoff.Sleep(ctx, deletionDelay); err != nil {
		return err
	}
	r, err := b.receiving.wait(ctx)
	if err != nil {
		return err
	}
	return b.names.prepare(func(work func(ch *amqp.Channel) error) error { return r.do(ctx, work) })
}

// receiver is the receiving connection. Each call uses its own channel while it
// lasts, and a delivery keeps it until it is acknowledged or returned.
type receiver struct {
	*connection
	tasks *tasks
	renew time.Duration // see renewInterval
	log   *slog.Logger

	mu   sync.Mutex
	idle []*amqp.Channel
	tags int // number of consumer tags used
}

// maxIdle is how many unused channels are kept for the next receivers.
const maxIdle = 64

func openReceiver(ctx context.Context, d *dialer, b *Bus) (*receiver, error) {
	c, err := d.open(ctx, "receive", b.names)
	if err != nil {
		return nil, err
	}
	return &receiver{connection: c, tasks: b.tasks, renew: b.renew, log: b.log}, nil
}

// take returns a channel that is not in use.
func (r *receiver) take() (*amqp.Channel, error) {
	r.mu.Lock()
	for len(r.idle) > 0 {
		ch := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		if !ch.IsClosed() {
			r.mu.Unlock()
			return ch, nil
		}
	}
	r.mu.Unlock()
	ch, err := r.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	// One message at a time; see Receive.
	if err := ch.Qos(1, 0, false); err != nil {
		return nil, fmt.Errorf("set up a channel: %w", err)
	}
	return ch, nil
}

// put returns a channel that has no consumer and no open delivery to the pool.
func (r *receiver) put(ch *amqp.Channel) {
	if ch.IsClosed() {
		return
	}
	r.mu.Lock()
	keep := len(r.idle) < maxIdle
	if keep {
		r.idle = append(r.idle, ch)
	}
	r.mu.Unlock()
	if !keep {
		_ = ch.Close()
	}
}

// do calls fn with a channel, and returns early when ctx ends: the library's
// calls take no context and last until the broker replies or the connection
// ends.
func (r *receiver) do(ctx context.Context, fn func(ch *amqp.Channel) error) error {
	done := make(chan error, 1)
	if !r.tasks.run(func() {
		ch, err := r.take()
		if err == nil {
			err = fn(ch)
			r.put(ch)
		}
		done <- err
	}) {
		return errClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
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
	case <-ctx.Done(): // await returns a message that arrives at this moment to the queue
		return nil, ctx.Err()
	}
}

// await waits for one message and sends it to out, or returns it to the queue
// when ctx ends.
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

// next subscribes until a message arrives, ctx ends, or the subscription must
// be renewed; in that case both results are nil.
func (r *receiver) next(ctx context.Context, queue string) (*delivery, error) {
	ch, err := r.take()
	if err != nil {
		return nil, err
	}
	tag := r.tag()
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", queue, err) // which closed the channel
	}
	d, err := r.first(ctx, ch, deliveries)
	if cancelErr := ch.Cancel(tag, false); cancelErr != nil {
		_ = ch.Close()
		return nil, fmt.Errorf("end the subscription to %s: %w", queue, cancelErr)
	}
	for raw := range deliveries { // messages that arrived while the subscription ended
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

// first returns the first valid message, or nil and nil when the subscription
// must be renewed.
func (r *receiver) first(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery) (*delivery, error) {
	renew := time.NewTimer(r.renew)
	defer renew.Stop()
	for {
		select {
		case raw, ok := <-deliveries:
			if !ok {
				return nil, errCancelled
			}
			if d, err := r.accept(ch, raw); d != nil || err != nil {
				return d, err
			}
		case <-renew.C:
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

// accept returns a message as a delivery. It turns a malformed message into a
// dead letter and returns nil.
func (r *receiver) accept(ch *amqp.Channel, raw amqp.Delivery) (*delivery, error) {
	m, err := decode(raw)
	if err != nil {
		r.log.Warn("rejecting a malformed message, which becomes a dead letter", slog.String("queue", raw.RoutingKey), slog.Int("bytes", len(raw.Body)), slog.Any("error", err))
		return nil, raw.Reject(false)
	}
	return &delivery{raw: raw, message: m, channel: ch, from: r}, nil
}

func decode(raw amqp.Delivery) (bus.Message, error) {
	var b body
	if err := json.Unmarshal(raw.Body, &b); err != nil {
		return bus.Message{}, fmt.Errorf("decode a message: %w", err)
	}
	if b.JobID == "" {
		return bus.Message{}, errors.New("decode a message: no job_id")
	}
	parent, _ := raw.Headers[traceHeader].(string)
	return bus.Message{JobID: b.JobID, Trace: parent}, nil
}

// delivery is a bus.Delivery. It has its channel to itself until it ends.
type delivery struct {
	raw     amqp.Delivery
	message bus.Message
	channel *amqp.Channel
	from    *receiver
	ended   atomic.Bool
}

var errEnded = errors.New("the delivery was already acknowledged or returned")

// Message implements bus.Delivery.
func (d *delivery) Message() bus.Message { return d.message }

// Ack implements bus.Delivery. An error of code unavailable means that the
// connection was lost and the message will be delivered again.
func (d *delivery) Ack(context.Context) error {
	return d.end(func() error { return d.raw.Ack(false) })
}

// Nack implements bus.Delivery. It sends basic.reject, which every version of
// RabbitMQ counts towards the delivery limit; since 4.3, basic.nack does not
// count.
func (d *delivery) Nack(context.Context) error {
	return d.end(func() error { return d.raw.Reject(true) })
}

// giveBack returns a message that no receiver has seen to the queue, without
// counting it as a delivery where the broker can tell the difference.
func (d *delivery) giveBack() {
	_ = d.end(func() error { return d.raw.Nack(false, true) })
}

// end replies to the broker with answer and frees the channel. A second end
// must not reach the channel, which may serve another delivery by then.
func (d *delivery) end(answer func() error) error {
	if d.ended.Swap(true) {
		return errEnded
	}
	if err := answer(); err != nil {
		return sx.NewError(sx.CodeUnavailable, "the connection to the message broker was lost; "+
			"the message of job %s will be delivered again", d.message.JobID).WithCause(err)
	}
	d.from.put(d.channel)
	return nil
}
