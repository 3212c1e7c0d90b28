package api

import (
	"encoding/base64"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of notifications. {id} is the ID of a webhook or of a delivery. All require the access token
// of a password sign-in.
const (
	PathNotify     = "/v1/notify"                        // GET: Notify
	PathEmail      = "/v1/notify/email"                  // PUT Email: Notify; DELETE: 204
	PathConfirm    = "/v1/notify/email/confirm"          // POST EmailCode: Notify
	PathWebhooks   = "/v1/notify/webhooks"               // POST NewWebhook: CreatedWebhook
	PathWebhook    = "/v1/notify/webhooks/{id}"          // DELETE: 204
	PathTest       = "/v1/notify/test"                   // POST: DeliveryList, one delivery per channel
	PathDeliveries = "/v1/notify/deliveries"             // GET: DeliveryList; QueryLimit, QueryAfter
	PathReplay     = "/v1/notify/deliveries/{id}/replay" // POST: Delivery
)

// Notify holds the notification settings of a user.
type Notify struct {
	// SendsEmail is false if the server is not configured to send e-mail.
	SendsEmail bool   `json:"sends_email"`
	Email      string `json:"email,omitempty"` // confirmed
	// PendingEmail is an address that is not confirmed yet.
	PendingEmail string    `json:"pending_email,omitempty"`
	Webhooks     []Webhook `json:"webhooks"`
}

// Email is the request to set the e-mail address. The server sends a confirmation
// code to it.
type Email struct {
	Address string `json:"address"`
}

// EmailCode is the request to confirm an address with the code that was sent to it.
type EmailCode struct {
	Code string `json:"code"`
}

// NewWebhook is the request to create a webhook.
type NewWebhook struct {
	URL string `json:"url"`
}

// MaxWebhooks is the maximum number of webhooks per user.
const MaxWebhooks = 10

// Webhook is one of the user's webhooks, without its secret.
type Webhook struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Created time.Time `json:"created"`
	// Disabled is when the receiver responded 410 Gone, which disabled the webhook.
	Disabled *time.Time `json:"disabled,omitempty"`
}

// CreatedWebhook is a webhook with its secret, which is shown only once.
type CreatedWebhook struct {
	Webhook
	// Secret verifies the signature of requests, in the format of Standard
	// Webhooks: whsec_ followed by base64.
	Secret string `json:"secret"`
}

// Delivery is one event to be sent over one channel.
type Delivery struct {
	ID         string           `json:"id"` // the webhook-id header or the Message-ID
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

// DeliveryList is one page of deliveries, newest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	// Next is the value of QueryAfter for the next page; "" on the last page.
	Next string `json:"next,omitempty"`
}

// WebhookEvent is the body of a request to a webhook, in the format that Standard
// Webhooks recommends.
type WebhookEvent struct {
	Type      sx.Event  `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the event
	Data      EventData `json:"data"`
}

// EventData is the subject of a WebhookEvent.
type EventData struct {
	Job      *Job      `json:"job,omitempty"`      // of job.done and job.failed
	Omitted  *Omitted  `json:"omitted,omitempty"`  // of the job
	Deletion *Deletion `json:"deletion,omitempty"` // of jobs.deletion
}

// Omitted says how much of a job its event does not name, because the event would be too
// large. The job itself has all of it.
type Omitted struct {
	Tracks   int `json:"tracks"`
	Sources  int `json:"sources"`
	Warnings int `json:"warnings"`
}

// Deletion announces that jobs will be deleted with their MP3s.
type Deletion struct {
	Total int          `json:"total"`
	Jobs  []DeletedJob `json:"jobs"` // at most MaxAnnounced of them
}

// DeletedJob is a job that will be deleted.
type DeletedJob struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // of the video
	DeleteAt time.Time `json:"delete_at"`
}

// MaxAnnounced is how many jobs a Deletion names.
const MaxAnnounced = 50

// WebhookSecret encodes a secret in the format of Standard Webhooks.
func WebhookSecret(secret []byte) string {
	return WebhookSecretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// FromWebhook converts a webhook to its wire format.
func FromWebhook(h sx.Webhook) Webhook {
	out := Webhook{ID: h.ID, URL: h.URL, Created: h.Created.UTC()}
	if !h.Disabled.IsZero() {
		at := h.Disabled.UTC()
		out.Disabled = &at
	}
	return out
}

// FromDelivery converts a delivery to its wire format.
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
