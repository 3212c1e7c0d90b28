package auth

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Attempts to register and sign in are limited by name, against guessing one
// account's password from many places, and by address, against trying many
// accounts. An office or a hotel shares one address, so that is more generous.
const (
	nameBurst       = 10 // attempts in a row
	nameInterval    = 30 * time.Second
	addressBurst    = 100
	addressInterval = 2 * time.Second
	// maxKeys bounds a limiter's memory to a few megabytes.
	maxKeys = 20_000
)

// limiter gives each key a burst of attempts, and one more after each pause.
type limiter struct {
	burst int
	pause time.Duration

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *bucket, the one used last in front
}

type bucket struct {
	key   string
	limit *rate.Limiter
	used  time.Time
}

func newLimiter(burst int, pause time.Duration) *limiter {
	return &limiter{burst: burst, pause: pause, byKey: map[string]*list.Element{}, recent: list.New()}
}

// reserve uses up one attempt of the key. When there is none it gives the time
// until there is one, and uses up nothing.
func (l *limiter) reserve(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		if len(l.byKey) >= maxKeys {
			l.remove(l.recent.Back())
		}
		e = l.recent.PushFront(&bucket{key: key, limit: rate.NewLimiter(rate.Every(l.pause), l.burst)})
		l.byKey[key] = e
	}
	l.recent.MoveToFront(e)
	b, _ := e.Value.(*bucket)
	b.used = now
	reserved := b.limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// reset gives the key all its attempts back.
func (l *limiter) reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.remove(e)
	}
}

// prune drops the keys that have all their attempts again.
func (l *limiter) prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := time.Duration(l.burst) * l.pause
	for e := l.recent.Back(); e != nil; e = l.recent.Back() {
		if b, _ := e.Value.(*bucket); now.Sub(b.used) < full {
			return
		}
		l.remove(e)
	}
}

func (l *limiter) remove(e *list.Element) {
	b, _ := l.recent.Remove(e).(*bucket)
	delete(l.byKey, b.key)
}
