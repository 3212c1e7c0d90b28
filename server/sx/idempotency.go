package sx

import "time"

// KeyLifetime is how long an idempotency key is kept.
const KeyLifetime = 24 * time.Hour

// IdempotencyKey is a client's name for a request, so that the request is carried out once,
// however often it is sent (draft-ietf-httpapi-idempotency-key-header).
type IdempotencyKey struct {
	Owner   string // the user's ID
	Key     string
	Rev     int64
	Request string // a digest of the request
	JobID   string // of the job that the request creates
	// Done says that the job was created; before, the key is only reserved.
	Done    bool
	Expires time.Time // KeyLifetime after the request began
}
