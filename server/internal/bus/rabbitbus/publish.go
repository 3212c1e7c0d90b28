package rabbitbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// body is the body of a message, in JSON.
type body struct {
	JobID string `json:"job_id"`
}

// traceHeader is the header with the context of the sender's span (W3C Trace Context for
// AMQP).
const traceHeader = "traceparent"

// Publish implements bus.Bus. When it returns nil the broker has the message on
// disk, on a majority of its nodes, unless the queue is missing. If the
// connection is lost before the broker has confirmed the message, it is
// published again, so it can arrive twice.
func (b *Bus) Publish(ctx context.Context, q bus.Queue, m bus.Message) error {
	tracing.SetSystem(ctx, "rabbitmq")
	for {
		p, err := b.publishing.wait(ctx)
		if err == nil {
			err = p.publish(ctx, b.names.work, string(q), m)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errConnectionLost):
			continue // over the next connection
		case ctx.Err() == nil && p == nil:
			return err // the bus is closed
		}
		return sx.NewError(sx.CodeUnavailable, "the message broker did not confirm a message for the queue %s", q).
			WithCause(err)
	}
}

// Announce implements bus.Bus. It does not wait for a broker that is unreachable
// or that blocks publishers, nor for a confirmation.
func (b *Bus) Announce(ctx context.Context, jobID string) error {
	p, err := b.publishing.current()
	if err != nil {
		return err
	}
	select {
	case <-p.unblocked():
	default:
		return sx.NewError(sx.CodeUnavailable, "the message broker blocks publishers")
	}
	if _, err := p.send(ctx, b.names.announce, "", bus.Message{JobID: jobID}); err != nil {
		return unavailable(fmt.Errorf("announce: %w", err))
	}
	return nil
}

// publisher is the publishing connection with its one channel. The connection
// ends with the channel, because nothing else runs on it.
type publisher struct {
	*connection
	ch  *amqp.Channel
	app string
	log *slog.Logger

	mu   sync.Mutex
	open chan struct{} // closed while the broker accepts messages
}

var errNacked = errors.New("the message broker could not store the message")

func openPublisher(ctx context.Context, d *dialer, b *Bus) (*publisher, error) {
	c, err := d.open(ctx, "publish", b.names)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, c.close)() // the broker may not reply
	ch, err := c.conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open the publishing channel: %w", err)
	}
	p := &publisher{connection: c, ch: ch, app: b.app, log: b.log, open: make(chan struct{})}
	close(p.open)
	// The library blocks until these are read, so they are buffered.
	ends, blocks := ch.NotifyClose(make(chan *amqp.Error, 1)), c.conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	b.tasks.run(func() {
		<-ends //nolint:errcheck // only the end of the channel matters
		p.close()
	})
	b.tasks.run(func() { p.watchBlocked(ctx, blocks) })
	return p, nil
}

// watchBlocked tracks whether the broker blocks publishers, until the
// connection ends.
func (p *publisher) watchBlocked(ctx context.Context, blocks <-chan amqp.Blocking) {
	for b := range blocks {
		p.mu.Lock()
		select {
		case <-p.open:
			if b.Active {
				p.open = make(chan struct{})
				p.log.WarnContext(ctx, "the message broker blocks publishers", slog.String("reason", b.Reason))
			}
		default:
			if !b.Active {
				close(p.open)
				p.log.InfoContext(ctx, "the message broker accepts messages again")
			}
		}
		p.mu.Unlock()
	}
}

// unblocked returns a channel that is closed when the broker accepts messages.
func (p *publisher) unblocked() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// publish returns nil once the broker has confirmed the message, and errConnectionLost if
// the connection ended before that.
func (p *publisher) publish(ctx context.Context, exchange, key string, m bus.Message) error {
	// A write to a blocked connection could block as long as the broker does.
	select {
	case <-p.unblocked():
	case <-p.ended:
		return errConnectionLost
	case <-ctx.Done():
		return ctx.Err()
	}
	confirmation, err := p.send(ctx, exchange, key, m)
	if err != nil {
		return err
	}
	acked, err := confirmation.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case acked:
		return nil
	case p.ch.IsClosed():
		return p.waitLost(ctx)
	}
	return errNacked
}

func (p *publisher) send(ctx context.Context, exchange, key string, m bus.Message) (*amqp.DeferredConfirmation, error) {
	content, _ := json.Marshal(body{JobID: m.JobID}) // a string always marshals
	var headers amqp.Table
	if m.Trace != "" {
		headers = amqp.Table{traceHeader: m.Trace}
	}
	confirmation, err := p.ch.PublishWithDeferredConfirm(exchange, key, false, false, amqp.Publishing{
		ContentType: "application/json", Body: content, MessageId: m.JobID, AppId: p.app, Headers: headers,
	})
	if err != nil {
		p.close()
		return nil, p.waitLost(ctx)
	}
	return confirmation, nil
}

// waitLost returns errConnectionLost once the connection has ended.
func (p *publisher) waitLost(ctx context.Context) error {
	select {
	case <-p.ended:
		return errConnectionLost
	case <-ctx.Done():
		return ctx.Err()
	}
}
