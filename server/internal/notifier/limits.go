package notifier

import (
	"sync"

	"github.com/soundextract/sx/server/sx"
)

// How many attempts run concurrently: in total, for one user, for one channel
// of a user, and at the mail server. A receiver that hangs delays only its own
// channel.
const (
	maxAttempts    = 64
	maxPerUser     = 8
	maxPerChannel  = 2
	maxMailAttempt = 8
)

// totalKey is the key of the limit of all attempts.
const totalKey = "total"

// limits are the concurrency limits of attempts.
type limits struct {
	mu      sync.Mutex
	running map[string]int // attempts by the key of the limit
}

// of returns the limits that apply to a delivery, by key.
func (*limits) of(d sx.Delivery) map[string]int {
	apply := map[string]int{
		totalKey:           maxAttempts,
		"user " + d.UserID: maxPerUser,
		"channel " + d.UserID + " " + string(d.Channel) + " " + d.WebhookID: maxPerChannel,
	}
	if d.Channel == sx.ChannelEmail {
		apply["mail"] = maxMailAttempt
	}
	return apply
}

// acquire counts an attempt. If a limit is reached, it counts nothing and
// returns false.
func (l *limits) acquire(d sx.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	apply := l.of(d)
	for key, limit := range apply {
		if l.running[key] >= limit {
			return false
		}
	}
	for key := range apply {
		l.running[key]++
	}
	return true
}

// full reports whether the limit of all attempts is reached.
func (l *limits) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[totalKey] >= maxAttempts
}

// release undoes acquire.
func (l *limits) release(d sx.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.of(d) {
		if l.running[key]--; l.running[key] == 0 {
			delete(l.running, key)
		}
	}
}
