// Package membus is the message port inside one process, for the local mode. It forgets
// everything on exit: the job documents are authoritative, and the reconcilers publish
// again at the next start.
package membus

import (
	"context"
	"slices"
	"sync"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// Bus is an in-process bus.Bus.
type Bus struct {
	mu        sync.Mutex
	queues    map[bus.Queue]*queue
	listeners map[*listener]struct{}
	closed    chan struct{}
	closeOnce sync.Once
}

var _ bus.Bus = (*Bus)(nil)

type queue struct {
	ready   []*delivery
	waiting []chan *delivery // receivers, longest waiting first
	dead    int
}

type listener struct{ ids chan string }

// backlog is how many announcements a slow listener may lag behind before it
// misses some.
const backlog = 1024

// New returns an empty bus.
func New() *Bus {
	b := &Bus{
		queues:    map[bus.Queue]*queue{},
		listeners: map[*listener]struct{}{},
		closed:    make(chan struct{}),
	}
	for _, q := range bus.Queues() {
		b.queues[q] = &queue{}
	}
	return b
}

var errClosed = sx.NewError(sx.CodeUnavailable, "the message bus is closed")

// Ping implements bus.Bus.
func (b *Bus) Ping(context.Context) error {
	select {
	case <-b.closed:
		return errClosed
	default:
		return nil
	}
}

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, q bus.Queue, m bus.Message) error {
	if err := b.Ping(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deliver(b.queues[q], &delivery{bus: b, queue: q, message: m})
	return nil
}

// deliver passes d to the receiver that has waited longest, or keeps it. The
// caller holds b.mu.
func (b *Bus) deliver(q *queue, d *delivery) {
	if len(q.waiting) == 0 {
		q.ready = append(q.ready, d)
		return
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	next <- d // never blocks: it has room for the one delivery that its receiver waits for
}

// Receive implements bus.Bus.
func (b *Bus) Receive(ctx context.Context, name bus.Queue) (bus.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.Ping(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	q := b.queues[name]
	if len(q.ready) > 0 {
		d := q.ready[0]
		q.ready = q.ready[1:]
		b.mu.Unlock()
		return d, nil
	}
	delivered := make(chan *delivery, 1)
	q.waiting = append(q.waiting, delivered)
	b.mu.Unlock()

	select {
	case d := <-delivered:
		return d, nil
	case <-ctx.Done():
		b.leave(q, delivered)
		return nil, ctx.Err()
	case <-b.closed:
		b.leave(q, delivered)
		return nil, errClosed
	}
}

// leave removes a waiting receiver, and delivers again what was delivered to it
// meanwhile.
func (b *Bus) leave(q *queue, delivered chan *delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(c chan *delivery) bool { return c == delivered })
	select {
	case d := <-delivered:
		b.deliver(q, d)
	default:
	}
}

// Announce implements bus.Bus.
func (b *Bus) Announce(ctx context.Context, jobID string) error {
	if err := b.Ping(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		select {
		case l.ids <- jobID:
		default: // announcements can be missed, and must not block
		}
	}
	return nil
}

// Listen implements bus.Bus.
func (b *Bus) Listen(ctx context.Context, fn func(jobID string)) error {
	l := &listener{ids: make(chan string, backlog)}
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.listeners, l)
		b.mu.Unlock()
	}()
	for {
		select {
		case id := <-l.ids:
			fn(id)
		case <-ctx.Done():
			return ctx.Err()
		case <-b.closed:
			return errClosed
		}
	}
}

// Depth implements bus.Bus.
func (b *Bus) Depth(ctx context.Context, q bus.Queue) (bus.Depth, error) {
	if err := b.Ping(ctx); err != nil {
		return bus.Depth{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return bus.Depth{Ready: len(b.queues[q].ready), Dead: b.queues[q].dead}, nil
}

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.closeOnce.Do(func() { close(b.closed) })
	return nil
}

type delivery struct {
	bus      *Bus
	queue    bus.Queue
	message  bus.Message
	returned int // how often
}

// Message implements bus.Delivery.
func (d *delivery) Message() bus.Message { return d.message }

// Ack implements bus.Delivery: a delivered message is in no queue any more.
func (d *delivery) Ack(context.Context) error { return nil }

// Nack implements bus.Delivery.
func (d *delivery) Nack(context.Context) error {
	d.bus.mu.Lock()
	defer d.bus.mu.Unlock()
	q := d.bus.queues[d.queue]
	again := *d
	if again.returned++; again.returned >= bus.MaxDeliveries {
		q.dead++
		return nil
	}
	d.bus.deliver(q, &again)
	return nil
}
