// Package bus is the message port. A message is a wake-up: it carries a job's
// id and says "look at that job now". It may come late, twice or never; the
// job document is the truth, and the reconcilers publish again. Package bustest
// holds every adapter to the comments below.
package bus

import "context"

// Queue names a work queue.
type Queue string

// The work queues.
const (
	Convert Queue = "convert" // a job may be claimed
	Notify  Queue = "notify"  // an owner is to be told
)

// Queues lists all work queues.
func Queues() []Queue { return []Queue{Convert, Notify} }

// Message is what a queue carries.
type Message struct {
	JobID string
}

// MaxDeliveries is how often a message is handed out before it becomes a dead letter.
const MaxDeliveries = 5

// Delivery is a message in a receiver's hands. One of Ack and Nack is called
// once; a delivery whose receiver dies is handed out again.
type Delivery interface {
	Message() Message
	// Ack ends the message.
	Ack(ctx context.Context) error
	// Nack gives the message back, to be handed out again, or to become a dead
	// letter after MaxDeliveries.
	Nack(ctx context.Context) error
}

// Depth counts what a queue holds.
type Depth struct {
	Ready int // waiting for a receiver
	Dead  int // dead letters
}

// Bus carries messages between services. Its methods may be called from
// several goroutines. While the broker is away, an adapter reconnects without
// end: Publish and Announce return an *sx.Error of code unavailable by their
// ctx's end at the latest, Receive and Listen wait.
type Bus interface {
	// Publish puts the message into the queue. It returns nil only when the
	// queue has taken it over.
	Publish(ctx context.Context, q Queue, m Message) error
	// Receive waits for one message. Each message goes to one receiver, and
	// only to one that is waiting in Receive: nothing is fetched ahead, so that
	// a busy receiver never holds what an idle one could do. It returns ctx's
	// error when ctx ends.
	Receive(ctx context.Context, q Queue) (Delivery, error)
	// Announce tells every listener that a job has changed. It is best effort.
	Announce(ctx context.Context, jobID string) error
	// Listen calls fn with the id of every announced job until ctx ends, and
	// returns ctx's error. fn must not block. Announcements can be missed.
	Listen(ctx context.Context, fn func(jobID string)) error
	// Depth counts the queue's messages.
	Depth(ctx context.Context, q Queue) (Depth, error)
	// Ping returns an *sx.Error of code unavailable while there is no broker.
	Ping(ctx context.Context) error
	// Close ends the bus; Receive and Listen return an error of code
	// unavailable, as does every later call. It may be called twice.
	Close() error
}
