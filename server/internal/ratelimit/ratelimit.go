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

	pending int           // attempts between Begin and End
	ended   chan struct{} // closed by the next End
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
	reserved := l.use(key, now).limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// Begin begins an attempt of which only its result says whether it counts: the caller must
// call End with it. Until then nobody else has the attempt. If there is none left, Begin
// returns the time until the next one; ended is closed when another pending attempt, which
// may leave one, has ended, and nil if there is none.
func (l *Limiter) Begin(key string, now time.Time) (wait time.Duration, ended <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.use(key, now)
	left := b.limit.TokensAt(now)
	if missing := 1 + float64(b.pending) - left; missing > 0 {
		if wait = time.Duration(missing * float64(l.interval)); left >= 1 {
			ended = b.ended
		}
		return wait, ended
	}
	b.pending++
	return 0, nil
}

// End ends an attempt that began.
func (l *Limiter) End(key string, now time.Time, counts bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.use(key, now)
	if b.pending > 0 { // unless the key was dropped to make room
		b.pending--
		close(b.ended)
		b.ended = make(chan struct{})
	}
	if counts {
		b.limit.AllowN(now, 1)
	}
}

// use returns the bucket of the key, which is then the one most recently used.
func (l *Limiter) use(key string, now time.Time) *bucket {
	e, ok := l.byKey[key]
	if !ok {
		if len(l.byKey) >= maxKeys {
			l.remove(l.recent.Back())
		}
		e = l.recent.PushFront(&bucket{key: key, limit: rate.NewLimiter(rate.Every(l.interval), l.burst), ended: make(chan struct{})})
		l.byKey[key] = e
	}
	l.recent.MoveToFront(e)
	b, _ := e.Value.(*bucket)
	b.used = now
	return b
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
