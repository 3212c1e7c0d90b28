package api

import (
	"encoding/base64"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of notifications. {id} stands for a webhook's id. All demand the
// access token of a sign-in with a password.
const (
	PathNotify     = "/v1/notify"               // GET: Notify
	PathEmail      = "/v1/notify/email"         // PUT Email: Notify; DELETE: 204
	PathConfirm    = "/v1/notify/email/confirm" // POST EmailCode: Notify
	PathWebhooks   = "/v1/notify/webhooks"      // POST NewWebhook: CreatedWebhook
	PathWebhook    = "/v1/notify/webhooks/{id}" // DELETE: 204
	PathTest       = "/v1/notify/test"          // POST: DeliveryList, a delivery a channel
	PathDeliveries = "/v1/notify/deliveries"    // GET: DeliveryList; QueryLimit
)

// Notify is where the user is told how jobs ended.
type Notify struct {
	// SendsEmail is false on a server that has no mail server to send with.
	SendsEmail bool   `json:"sends_email"`
	Email      string `json:"email,omitempty"` // confirmed
	// PendingEmail is an address that waits for its code.
	PendingEmail string    `json:"pending_email,omitempty"`
	Webhooks     []Webhook `json:"webhooks"`
}

// Email asks for mail to an address. A code that confirms it is sent there.
type Email struct {
	Address string `json:"address"`
}

// EmailCode confirms an address with the code that was sent there.
type EmailCode struct {
	Code string `json:"code"`
}

// NewWebhook asks for posts to a URL.
type NewWebhook struct {
	URL string `json:"url"`
}

// MaxWebhooks is how many webhooks one user may have.
const MaxWebhooks = 10

// Webhook is one of the user's webhooks, without its secret.
type Webhook struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Created time.Time `json:"created"`
	// Disabled is when the receiver answered 410 Gone, which ended it.
	Disabled *time.Time `json:"disabled,omitempty"`
}

// CreatedWebhook is a webhook with its secret, which is told only here.
type CreatedWebhook struct {
	Webhook
	// Secret checks the signature of posts, in the form of Standard Webhooks:
	// whsec_ and base64.
	Secret string `json:"secret"`
}

// Delivery is the way of one event to one channel.
type Delivery struct {
	ID         string           `json:"id"` // the header webhook-id of a post
	Event      sx.Event         `json:"event"`
	Channel    sx.Channel       `json:"channel"`
	Target     string           `json:"target"` // the address or URL
	JobID      string           `json:"job_id,omitempty"`
	State      sx.DeliveryState `json:"state"`
	Tries      int              `json:"tries"`
	NextTry    *time.Time       `json:"next_try,omitempty"`    // while pending
	LastStatus int              `json:"last_status,omitempty"` // of HTTP or SMTP
	LastError  string           `json:"last_error,omitempty"`
	Created    time.Time        `json:"created"`
	Updated    time.Time        `json:"updated"`
}

// DeliveryList holds deliveries, the newest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
}

// WebhookEvent is the body of a post to a webhook, in the form that Standard
// Webhooks recommends.
type WebhookEvent struct {
	Type      sx.Event  `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the event
	Data      EventData `json:"data"`
}

// EventData is what a WebhookEvent is about.
type EventData struct {
	Job *Job `json:"job,omitempty"` // absent in a test
}

// WebhookSecret is how Standard Webhooks writes a secret.
func WebhookSecret(secret []byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(secret)
}

// FromWebhook brings a webhook to its wire form.
func FromWebhook(h sx.Webhook) Webhook {
	out := Webhook{ID: h.ID, URL: h.URL, Created: h.Created.UTC()}
	if !h.Disabled.IsZero() {
		at := h.Disabled.UTC()
		out.Disabled = &at
	}
	return out
}

// FromDelivery brings a delivery to its wire form.
func FromDelivery(d sx.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, Event: d.Event, Channel: d.Channel, Target: d.Target, JobID: d.JobID,
		State: d.State, Tries: d.Tries, LastStatus: d.LastStatus, LastError: d.LastError,
		Created: d.Created.UTC(), Updated: d.Updated.UTC(),
	}
	if d.State == sx.DeliveryPending {
		at := d.Due.UTC()
		out.NextTry = &at
	}
	return out
}
