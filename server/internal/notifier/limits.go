package notifier

import (
	"sync"

	"github.com/soundextract/sx/server/sx"
)

// How many tries run at once: of all, of one user, of one channel of a user, and
// at the mail server. A receiver that hangs holds up its own channel only.
const (
	maxTries   = 64
	perUser    = 8
	perChannel = 2
	perMail    = 8
)

// everyone is the lane of all tries.
const everyone = "all"

// lanes counts the tries that run.
type lanes struct {
	mu   sync.Mutex
	busy map[string]int
}

// of gives the lanes that a delivery needs with how many tries fit into each.
func (l *lanes) of(d sx.Delivery) map[string]int {
	need := map[string]int{
		everyone:           maxTries,
		"user " + d.UserID: perUser,
		"channel " + d.UserID + " " + string(d.Channel) + " " + d.WebhookID: perChannel,
	}
	if d.Channel == sx.ChannelEmail {
		need["mail"] = perMail
	}
	return need
}

// take takes a place in each lane, or none and reports false.
func (l *lanes) take(d sx.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	need := l.of(d)
	for lane, places := range need {
		if l.busy[lane] >= places {
			return false
		}
	}
	for lane := range need {
		l.busy[lane]++
	}
	return true
}

// full reports whether no try of anyone can begin.
func (l *lanes) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy[everyone] >= maxTries
}

// give gives the places back.
func (l *lanes) give(d sx.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for lane := range l.of(d) {
		if l.busy[lane]--; l.busy[lane] == 0 {
			delete(l.busy, lane)
		}
	}
}
