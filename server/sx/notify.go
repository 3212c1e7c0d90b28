package sx

import (
	"strconv"
	"time"
)

// NotificationSettings says where a user is notified of finished jobs. Its id is the
// user's.
type NotificationSettings struct {
	UserID   string
	Email    string // confirmed by its code; "" is none
	Pending  *PendingEmail
	Webhooks []Webhook // in the order in which they were added
	Rev      int64     // see store.NotificationSettings
}

// PendingEmail is an address that still has to be confirmed. Only the code's
// hash is kept.
type PendingEmail struct {
	Address string
	Hash    string // hex SHA-256 of the code
	Tries   int    // wrong codes given so far
	Expires time.Time
}

// Webhook is an address of the user's that events are posted to.
type Webhook struct {
	ID      string
	URL     string
	Secret  []byte // what posts are signed with
	Created time.Time
	// Disabled is when the receiver answered 410 Gone; zero while it is used.
	Disabled time.Time
}

// Event is what a user is told.
type Event string

// The events.
const (
	EventDone    Event = "job.done"
	EventFailed  Event = "job.failed"
	EventTest    Event = "test"          // asked for by the user
	EventConfirm Event = "email.confirm" // the code that confirms an address
)

// Channel is how a user is told.
type Channel string

// The channels.
const (
	ChannelEmail   Channel = "email"
	ChannelWebhook Channel = "webhook"
)

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // to be tried, for the first time or again
	DeliveryDelivered DeliveryState = "delivered" // the receiver took it
	DeliveryFailed    DeliveryState = "failed"    // given up; LastError says why
)

// Delivery is the way of one event to one channel of a user's. It keeps what is
// sent, so that every try sends the same.
type Delivery struct {
	// ID is DeliveryID's, or a new id. Receivers tell by it that a delivery came
	// twice.
	ID        string
	UserID    string
	JobID     string // "" for events that are not about a job
	Event     Event
	Channel   Channel
	WebhookID string
	Target    string // the address or URL, as it was then
	Payload   []byte // JSON
	State     DeliveryState
	Tries     int
	// Due is when to try next. Whoever tries first moves it on, so that nobody
	// else tries at the same time.
	Due        time.Time
	LastStatus int // of the receiver's last answer, HTTP's or SMTP's; 0 is none
	LastError  string
	Created    time.Time
	Updated    time.Time
	Rev        int64 // see store.Deliveries
}

// DeliveryID is the id of the delivery that tells how an attempt at a job ended,
// to a channel: the same for whoever makes it, so that it is made once. channel
// is ChannelEmail or a webhook's id.
func DeliveryID(job string, attempt int, channel string) string {
	return job + "-" + strconv.Itoa(attempt) + "-" + channel
}
