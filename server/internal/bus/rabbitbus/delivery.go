package rabbitbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// deliveryCount is the header in which a quorum queue says how often a message
// came back. RabbitMQ before 4.3 counts every return; from 4.3 on a lost
// receiver and basic.reject count, and basic.nack does not. So Nack rejects,
// which counts everywhere, and what no receiver has seen is returned by nack.
// A message that comes just when its receiver leaves may still use up one
// handing-out: before 4.3, or when the broker sends it after the farewell.
const deliveryCount = "x-delivery-count"

// handedOut is how often the message was handed out before.
func handedOut(raw amqp.Delivery) int64 {
	switch n := raw.Headers[deliveryCount].(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case int8:
		return int64(n)
	case uint8:
		return int64(n)
	default: // the first time there is no such header
		return 0
	}
}

func read(raw amqp.Delivery) (bus.Message, error) {
	var b body
	if err := json.Unmarshal(raw.Body, &b); err != nil {
		return bus.Message{}, fmt.Errorf("reading a message: %w", err)
	}
	if b.JobID == "" {
		return bus.Message{}, errors.New("reading a message: no job_id")
	}
	return bus.Message{JobID: b.JobID}, nil
}

// delivery is a bus.Delivery. It has its channel to itself until it ends.
type delivery struct {
	raw     amqp.Delivery
	message bus.Message
	channel *amqp.Channel
	from    *receiver
	over    atomic.Bool
}

var errOver = errors.New("the delivery was acknowledged or given back before")

// Message implements bus.Delivery.
func (d *delivery) Message() bus.Message { return d.message }

// Ack implements bus.Delivery. An error of code unavailable says that the
// connection on which the message came is lost: it is handed out again.
func (d *delivery) Ack(context.Context) error {
	return d.end(func() error { return d.raw.Ack(false) })
}

// Nack implements bus.Delivery. The last handing-out ends with a dead letter.
func (d *delivery) Nack(context.Context) error {
	again := handedOut(d.raw)+1 < bus.MaxDeliveries
	return d.end(func() error { return d.raw.Reject(again) })
}

// giveBack returns a message that no receiver has seen.
func (d *delivery) giveBack() {
	_ = d.end(func() error { return d.raw.Nack(false, true) })
}

// end tells the broker how it went and frees the channel. A second end must
// not reach the channel: it may serve another delivery by then.
func (d *delivery) end(tell func() error) error {
	if d.over.Swap(true) {
		return errOver
	}
	if err := tell(); err != nil {
		return sx.NewError(sx.CodeUnavailable, "the connection to the message broker was lost, "+
			"the message of job %s comes again", d.message.JobID).WithCause(err)
	}
	d.from.put(d.channel)
	return nil
}
