package notifier

import (
	"sync"

	"github.com/soundextract/sx/server/internal/store"
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
	// reserved is how many of all attempts are for users who have none running, so that
	// a few with receivers that hang delay no other.
	reserved = 16
)

// limits are the concurrency limits of attempts.
type limits struct {
	mu     sync.Mutex
	total  int
	mail   int
	users  map[string]int // attempts by user
	queues map[string]int // attempts by channel, see sx.Delivery.Queue
}

func newLimits() *limits { return &limits{users: map[string]int{}, queues: map[string]int{}} }

// perUser is the limit of a user's attempts.
func (l *limits) perUser() int {
	if l.total >= maxAttempts-reserved {
		return 1
	}
	return maxPerUser
}

// busy returns what has reached a limit.
func (l *limits) busy() (b store.Busy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.perUser()
	for user, n := range l.users {
		if n >= most {
			b.Users = append(b.Users, user)
		}
	}
	for queue, n := range l.queues {
		if n >= maxPerChannel {
			b.Queues = append(b.Queues, queue)
		}
	}
	b.Email = l.mail >= maxMailAttempt
	return b
}

// acquire counts an attempt. If a limit is reached, it counts nothing and
// returns false.
func (l *limits) acquire(d sx.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	email := d.Channel == sx.ChannelEmail
	if l.total >= maxAttempts || l.users[d.UserID] >= l.perUser() || l.queues[d.Queue()] >= maxPerChannel ||
		email && l.mail >= maxMailAttempt {
		return false
	}
	l.add(d, 1)
	return true
}

// release undoes acquire.
func (l *limits) release(d sx.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(d, -1)
}

func (l *limits) add(d sx.Delivery, n int) {
	l.total += n
	if d.Channel == sx.ChannelEmail {
		l.mail += n
	}
	count(l.users, d.UserID, n)
	count(l.queues, d.Queue(), n)
}

func count(counts map[string]int, key string, n int) {
	if counts[key] += n; counts[key] == 0 {
		delete(counts, key)
	}
}

// full reports whether the limit of all attempts is reached.
func (l *limits) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total >= maxAttempts
}
