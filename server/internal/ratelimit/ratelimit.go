// Package ratelimit limits attempts by key, such as the client's address.
package ratelimit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds a Limiter's memory to a few megabytes.
const maxKeys = 20_000

// Limiter allows each key a burst of attempts, and one more per interval.
type Limiter struct {
	burst    int
	interval time.Duration

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *bucket, most recently used first
}

type bucket struct {
	key   string
	limit *rate.Limiter
	used  time.Time
}

// New returns a Limiter with no attempts used.
func New(burst int, interval time.Duration) *Limiter {
	return &Limiter{burst: burst, interval: interval, byKey: map[string]*list.Element{}, recent: list.New()}
}

// Reserve takes one attempt of the key. If there is none left, it takes nothing
// and returns the time until the next one.
func (l *Limiter) Reserve(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		if len(l.byKey) >= maxKeys {
			l.remove(l.recent.Back())
		}
		e = l.recent.PushFront(&bucket{key: key, limit: rate.NewLimiter(rate.Every(l.interval), l.burst)})
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

// Wait returns the time until the next attempt of the key; 0 if there is one now.
func (l *Limiter) Wait(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		return 0
	}
	b, _ := e.Value.(*bucket)
	if missing := 1 - b.limit.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(l.interval))
	}
	return 0
}

// Reset restores all attempts of the key.
func (l *Limiter) Reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.remove(e)
	}
}

// Prune drops the keys that have all their attempts.
func (l *Limiter) Prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := time.Duration(l.burst) * l.interval
	for e := l.recent.Back(); e != nil; e = l.recent.Back() {
		if b, _ := e.Value.(*bucket); now.Sub(b.used) < full {
			return
		}
		l.remove(e)
	}
}

func (l *Limiter) remove(e *list.Element) {
	b, _ := l.recent.Remove(e).(*bucket)
	delete(l.byKey, b.key)
}
