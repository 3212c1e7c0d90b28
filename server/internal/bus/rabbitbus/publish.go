package rabbitbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// body is what a message carries at the broker.
type body struct {
	JobID string `json:"job_id"`
}

func (b *Bus) message(jobID string, mode uint8) amqp.Publishing {
	content, _ := json.Marshal(body{JobID: jobID}) // a string always marshals
	return amqp.Publishing{
		ContentType: "application/json", Body: content, DeliveryMode: mode,
		MessageId: jobID, AppId: b.app, Timestamp: time.Now(),
	}
}

// Publish implements bus.Bus. The broker has stored the message on disk, in a
// majority of its nodes, when Publish returns nil. When a connection is lost
// before the broker's word is there it publishes again, so a message can come
// twice. When the queue is missing it is declared anew.
func (b *Bus) Publish(ctx context.Context, q bus.Queue, m bus.Message) error {
	message := b.message(m.JobID, amqp.Persistent)
	for declared := false; ; {
		p, err := b.publishing.get(ctx)
		if err != nil {
			return notPublished(q, err)
		}
		err = p.publish(ctx, &request{exchange: b.names.work, key: string(q), mandatory: true, message: message})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errLost):
			p.waitLost(ctx) // and go on with the next connection
		case errors.Is(err, errUnroutable) && !declared:
			declared = true
			b.log.WarnContext(ctx, "a queue is missing, declaring it anew", "queue", b.names.queue(q))
			if err := b.declare(ctx); err != nil {
				return notPublished(q, err)
			}
		default:
			return notPublished(q, err)
		}
	}
}

func notPublished(q bus.Queue, cause error) error {
	if errors.Is(cause, errClosed) {
		return errClosed
	}
	return sx.NewError(sx.CodeUnavailable, "the message broker did not take a message for the queue %s", q).
		WithCause(cause)
}

// Announce implements bus.Bus. It is not worth waiting for: while the broker is
// away, or holds back publishers, it fails at once.
func (b *Bus) Announce(ctx context.Context, jobID string) error {
	p, err := b.publishing.now()
	if err != nil {
		return err
	}
	if p.blocked.Load() {
		return sx.NewError(sx.CodeUnavailable, "the message broker holds back publishers")
	}
	if err := p.publish(ctx, &request{
		exchange: b.names.announce, message: b.message(jobID, amqp.Transient),
	}); err != nil {
		return unavailable(fmt.Errorf("announcing: %w", err))
	}
	return nil
}

// settle is given to the broker between a queue's end and its declaration anew,
// so that it has told the subscribers; see renewEvery.
const settle = 100 * time.Millisecond

// declare makes what is missing at the broker, over the receiving connection,
// which no shortage at the broker holds up.
func (b *Bus) declare(ctx context.Context) error {
	pause(ctx, settle, nil)
	r, err := b.receiving.get(ctx)
	if err != nil {
		return err
	}
	return r.do(ctx, b.names.declare)
}
