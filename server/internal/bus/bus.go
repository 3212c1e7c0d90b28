// Package bus is the message port. A message wakes up a receiver: it carries a job's id and
// means "look at this job now". It may come late, twice or never: the job document is
// authoritative, and the reconcilers publish again. Package bustest tests every adapter
// against the comments below.
package bus

import "context"

// Queue names a work queue.
type Queue string

// The work queues.
const (
	Convert Queue = "convert" // a job can be claimed
	Notify  Queue = "notify"  // an owner must be notified
)

// Queues lists all work queues.
func Queues() []Queue { return []Queue{Convert, Notify} }

// Message is what a queue carries.
type Message struct {
	JobID string
	// Trace is the context of the span that sent it, as tracing.Parent returns it; "" if
	// there is none.
	Trace string
}

// MaxDeliveries is how often a message is delivered before it becomes a dead letter.
const MaxDeliveries = 5

// Delivery is a message that a receiver holds. The receiver calls exactly one
// of Ack and Nack, once; if it dies, the message is delivered again.
type Delivery interface {
	Message() Message
	// Ack removes the message.
	Ack(ctx context.Context) error
	// Nack returns the message to the queue, to be delivered again or, after
	// MaxDeliveries, to become a dead letter.
	Nack(ctx context.Context) error
}

// Depth counts the messages of a queue.
type Depth struct {
	Ready int // waiting for a receiver
	Dead  int // dead letters
}

// Bus carries messages between services. Its methods may be called from several
// goroutines. While the broker is unreachable an adapter keeps reconnecting:
// Publish and Announce return an *sx.Error of code unavailable, at the latest
// when their ctx ends, and Receive and Listen wait.
type Bus interface {
	// Publish puts the message into the queue. It returns nil once the broker
	// has accepted the message.
	Publish(ctx context.Context, q Queue, m Message) error
	// Receive waits for one message. Each message goes to one receiver, and only
	// to one that is waiting in Receive: nothing is fetched ahead, so a busy
	// receiver never holds a message that an idle one could work on. It returns
	// ctx's error when ctx ends.
	Receive(ctx context.Context, q Queue) (Delivery, error)
	// Announce notifies every listener that a job has changed. It is best
	// effort.
	Announce(ctx context.Context, jobID string) error
	// Listen calls fn with the id of every announced job until ctx ends, and
	// returns ctx's error. fn must not block. Announcements can be missed.
	Listen(ctx context.Context, fn func(jobID string)) error
	// Depth counts the queue's messages.
	Depth(ctx context.Context, q Queue) (Depth, error)
	// Ping returns an *sx.Error of code unavailable while the broker is unreachable.
	Ping(ctx context.Context) error
	// Close ends the bus: Receive and Listen return an error of code
	// unavailable, as does every later call. It may be called twice.
	Close() error
}
