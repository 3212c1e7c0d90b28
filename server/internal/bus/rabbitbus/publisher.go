package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	errUnroutable = errors.New("no queue takes the message")
	errNacked     = errors.New("the message broker could not store the message")
)

// publisher is the publishing connection with its one channel. One goroutine
// writes, so that a connection whose peer does not read holds up that goroutine
// and no caller; another reads confirmations and returns. When the channel
// ends, so does the connection: there is nothing else on it.
type publisher struct {
	*wire
	ch       *amqp.Channel
	log      *slog.Logger
	requests chan *request
	blocks   chan amqp.Blocking
	returns  chan amqp.Return
	confirms chan amqp.Confirmation
	blocked  atomic.Bool

	mu      sync.Mutex
	pending map[uint64]*request // by the number that the broker confirms
}

// request is one message to publish.
type request struct {
	exchange, key string
	mandatory     bool
	message       amqp.Publishing
	returned      bool       // guarded by publisher.mu
	done          chan error // has room for the one result
}

func openPublisher(ctx context.Context, d *dialer, b *Bus) (*publisher, error) {
	w, err := d.dial(ctx, "publish")
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, w.close)() // the broker's answers below may not come
	if err := b.names.declareOn(w.conn); err != nil {
		w.close()
		return nil, d.judge(err)
	}
	ch, err := w.conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("opening the publishing channel: %w", err)
	}
	p := &publisher{
		wire: w, ch: ch, log: b.log,
		requests: make(chan *request),
		// The library waits for a reader of these, within limits: they have room.
		blocks:   w.conn.NotifyBlocked(make(chan amqp.Blocking, 8)),
		returns:  ch.NotifyReturn(make(chan amqp.Return, 256)),
		confirms: ch.NotifyPublish(make(chan amqp.Confirmation, 256)),
		pending:  map[uint64]*request{},
	}
	b.tasks.run(func() { p.write(ctx) })
	b.tasks.run(p.listen)
	return p, nil
}

// publish waits for the broker's word: nil when it has taken the message over.
func (p *publisher) publish(ctx context.Context, r *request) error {
	r.done = make(chan error, 1)
	select {
	case p.requests <- r:
	case <-p.gone:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitLost waits for the end that errLost has announced.
func (p *publisher) waitLost(ctx context.Context) {
	select {
	case <-p.gone:
	case <-ctx.Done():
	}
}

// write publishes what is requested, but not while the broker asks to hold back.
func (p *publisher) write(ctx context.Context) {
	requests, blocks := p.requests, p.blocks
	for {
		select {
		case b, ok := <-blocks:
			if !ok {
				return
			}
			p.blocked.Store(b.Active)
			if requests = p.requests; b.Active {
				requests = nil
				p.log.WarnContext(ctx, "the message broker holds back publishers", slog.String("reason", b.Reason))
			} else {
				p.log.InfoContext(ctx, "the message broker takes messages again")
			}
		case r := <-requests:
			tag := p.ch.GetNextPublishSeqNo()
			p.mu.Lock()
			p.pending[tag] = r
			p.mu.Unlock()
			r.message.CorrelationId = strconv.FormatUint(tag, 10) // by which a return is recognised
			if err := p.ch.Publish(r.exchange, r.key, r.mandatory, false, r.message); err != nil {
				p.settle(tag, errLost)
			}
		case <-p.gone:
			return
		}
	}
}

// listen settles requests until the channel ends.
func (p *publisher) listen() {
	defer p.close()
	returns := p.returns
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			p.markReturned(r)
		case c, ok := <-p.confirms:
			if !ok {
				p.abandon()
				return
			}
			// A message that no queue took is returned and then confirmed, in
			// this order, by one goroutine of the library: its return is here.
			for range len(p.returns) {
				if r, ok := <-p.returns; ok {
					p.markReturned(r)
				}
			}
			if c.Ack {
				p.settle(c.DeliveryTag, nil)
			} else {
				p.settle(c.DeliveryTag, errNacked)
			}
		}
	}
}

func (p *publisher) markReturned(r amqp.Return) {
	tag, err := strconv.ParseUint(r.CorrelationId, 10, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.pending[tag]; r != nil {
		r.returned = true
	}
}

// abandon settles what the connection's end has left open.
func (p *publisher) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for tag, r := range p.pending {
		delete(p.pending, tag)
		r.done <- errLost
	}
}

// settle tells the caller how it went.
func (p *publisher) settle(tag uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.pending[tag]
	if r == nil {
		return
	}
	delete(p.pending, tag)
	if err == nil && r.returned {
		err = errUnroutable
	}
	r.done <- err
}
