package httpserver

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/sx"
)

// Limits of large requests, whose documents need much more memory than what is planned for
// a connection: a page of jobs, or what is known about many sources.
const (
	largeMemory = 4 << 20 // bytes of one
	largeShare  = 4       // they have a quarter of the memory, and an account a quarter of that
	leastLarge  = 8
	mostLarge   = 64
	largeWait   = 10 * time.Second
	largeRetry  = 2 * time.Second
)

// LargeRequests bounds how many large requests are served at the same time, in total and for
// each account, because their clients may read the responses slowly. Others wait.
type LargeRequests struct {
	total *semaphore.Weighted
	each  int64

	mu  sync.Mutex
	own map[string]*ownLarge
}

// ownLarge is the limit of an account that has large requests.
type ownLarge struct {
	requests int // that are served or wait
	limit    *semaphore.Weighted
}

// NewLargeRequests returns limits that follow from the memory of the process.
func NewLargeRequests() *LargeRequests {
	total := int64(mostLarge)
	if limit := memory.Limit(); limit > 0 {
		total = min(mostLarge, max(leastLarge, limit/largeShare/largeMemory))
	}
	return &LargeRequests{total: semaphore.NewWeighted(total), each: total / largeShare, own: map[string]*ownLarge{}}
}

// Enter waits until a large request of the account may be served. The caller must call leave
// when the response is sent. After 10 s it returns an Error: of code too_many_requests if the
// account has too many, else unavailable.
func (l *LargeRequests) Enter(ctx context.Context, account string) (leave func(), err error) {
	l.mu.Lock()
	own := l.own[account]
	if own == nil {
		own = &ownLarge{limit: semaphore.NewWeighted(l.each)}
		l.own[account] = own
	}
	own.requests++
	l.mu.Unlock()
	forget := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if own.requests--; own.requests == 0 {
			delete(l.own, account)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, largeWait)
	defer cancel()
	if err := own.limit.Acquire(ctx, 1); err != nil {
		forget()
		return nil, sx.NewError(sx.CodeTooManyRequests, "your account has %d requests for long lists in progress, which is the maximum", l.each).
			WithRetryAfter(largeRetry).WithCause(err)
	}
	if err := l.total.Acquire(ctx, 1); err != nil {
		own.limit.Release(1)
		forget()
		return nil, sx.NewError(sx.CodeUnavailable, "too many clients are reading long lists at the moment").WithCause(err)
	}
	return func() {
		l.total.Release(1)
		own.limit.Release(1)
		forget()
	}, nil
}
