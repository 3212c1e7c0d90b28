package rabbitbus

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxIdle is how many unused channels are kept for the next receivers.
const maxIdle = 64

// receiver is the receiving connection. Each call has a channel of its own
// while it lasts, and a delivery keeps it until it is acknowledged or given back.
type receiver struct {
	*wire
	tasks *tasks
	renew time.Duration // see renewEvery

	mu   sync.Mutex
	idle []*amqp.Channel
	tags int // consumer tags given out
}

func openReceiver(ctx context.Context, d *dialer, b *Bus) (*receiver, error) {
	w, err := d.dial(ctx, "receive")
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, w.close)() // the broker's answer may not come
	if err := b.names.declareOn(w.conn); err != nil {
		w.close()
		return nil, d.judge(err)
	}
	return &receiver{wire: w, tasks: b.tasks, renew: b.renew}, nil
}

// take gives a channel that nobody else uses.
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
		return nil, fmt.Errorf("opening a channel: %w", err)
	}
	// One message at a time; see receive.
	if err := ch.Qos(1, 0, false); err != nil {
		return nil, fmt.Errorf("setting up a channel: %w", err)
	}
	return ch, nil
}

// put takes a channel back that has no consumer and no open delivery.
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
// calls know no context and last until the broker answers or is given up.
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
