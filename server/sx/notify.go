package sx

import (
	"strconv"
	"time"
)

// NotificationSettings says where a user is notified of finished jobs. Its key is
// the user's ID.
type NotificationSettings struct {
	UserID   string
	Email    string // the confirmed address, or ""
	Pending  *PendingEmail
	Webhooks []Webhook // in the order in which they were added
	Rev      int64     // see store.NotificationSettings
}

// PendingEmail is an address that is not confirmed yet. Only the hash of its code
// is stored.
type PendingEmail struct {
	Address string
	Hash    string // hex SHA-256 of the code
	Tries   int    // wrong codes entered so far
	Expires time.Time
}

// Webhook is a URL that events are sent to by POST.
type Webhook struct {
	ID      string
	URL     string
	Secret  []byte // the key that signs requests
	Created time.Time
	// Disabled is when the receiver responded 410 Gone; zero while it is active.
	Disabled time.Time
}

// Event is the kind of a notification.
type Event string

// The events.
const (
	EventDone     Event = "job.done"
	EventFailed   Event = "job.failed"
	EventDeletion Event = "jobs.deletion" // jobs will be deleted with their MP3s
	EventTest     Event = "test"          // requested by the user
	EventConfirm  Event = "email.confirm" // carries the code that confirms an address
)

// Channel is how a notification is sent.
type Channel string

// The channels.
const (
	ChannelEmail   Channel = "email"
	ChannelWebhook Channel = "webhook"
)

// DeliveryState is the state of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // to be sent, for the first time or again
	DeliveryDelivered DeliveryState = "delivered" // accepted by the receiver
	DeliveryFailed    DeliveryState = "failed"    // no more tries; LastError says why
)

// Delivery is one event to be sent over one channel: an entry of the outbox. It
// stores the payload, so that every try sends the same.
type Delivery struct {
	// ID is from DeliveryID, or random. Receivers recognize repeated deliveries
	// by it.
	ID        string
	UserID    string
	JobID     string // "" for an event that is not about a job
	Trace     string // the context of the span that created it, as that of a Job
	Event     Event
	Channel   Channel
	WebhookID string
	Target    string // the address or URL at the time of the event
	Payload   []byte // JSON
	State     DeliveryState
	Tries     int
	// Due is when to try next. A notifier postpones it before it tries, so that
	// no other notifier tries at the same time.
	Due        time.Time
	LastStatus int // the HTTP or SMTP status of the last response; 0 if none
	LastError  string
	Created    time.Time
	Updated    time.Time
	Rev        int64 // see store.Deliveries
}

// ChannelID identifies the channel among those of the user: the webhook's ID, or "email".
func (d Delivery) ChannelID() string {
	if d.WebhookID != "" {
		return d.WebhookID
	}
	return string(d.Channel)
}

// Queue identifies the channel among those of all users. IDs contain no slash.
func (d Delivery) Queue() string { return d.UserID + "/" + d.ChannelID() }

// DeliveryID returns the ID of the delivery that reports the outcome of an attempt
// over a channel. It is deterministic, so that the delivery is created only once.
// channel is a ChannelID.
func DeliveryID(job string, attempt int, channel string) string {
	return job + "-" + strconv.Itoa(attempt) + "-" + channel
}

// DigestID returns the ID of the delivery that announces the deletions of an owner's jobs
// on the UTC day of now over a channel, as DeliveryID does.
func DigestID(owner string, now time.Time, channel string) string {
	return "deletion-" + owner + "-" + now.UTC().Format(time.DateOnly) + "-" + channel
}
