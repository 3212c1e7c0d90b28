// Package bandwidth limits the rate of transfers, also by time of day.
package bandwidth

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is a limit that all transfers of a run share. A nil Limit does not limit
// anything.
type Limit struct {
	table timetable
	now   func() time.Time

	mu      sync.Mutex
	limiter *rate.Limiter
	current float64 // bytes per second
}

// New reads a limit: a rate such as 512k, or a timetable such as "08:00,512k 19:00,off".
// "" gives nil. The error is an *sx.Error of code usage.
func New(text string) (*Limit, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // a nil Limit is none
	}
	table, err := parse(text)
	if err != nil {
		return nil, err
	}
	return &Limit{table: table, now: time.Now}, nil
}

// Reader returns a reader of r at the limit's rate. Reads end with ctx.
func (l *Limit) Reader(ctx context.Context, r io.Reader) io.Reader {
	if l == nil {
		return r
	}
	return &reader{ctx: ctx, r: r, limit: l}
}

// Bytes are granted in portions of a tenth of a second, so that a change of the limit and
// the end of a transfer do not have to wait for long, and so that files take turns.
const (
	portionsPerSecond = 10
	minPortion        = 256
	maxPortion        = 64 << 10
)

// portion waits until bytes may be transferred and returns their number, at most want.
func (l *Limit) portion(ctx context.Context, want int) (int, error) {
	limiter, n := l.at(l.now(), want)
	if limiter == nil {
		return n, ctx.Err()
	}
	return n, limiter.WaitN(ctx, n)
}

// at returns the limiter for a time, nil if there is no limit then, and the size of a
// portion.
func (l *Limit) at(now time.Time, want int) (*rate.Limiter, int) {
	perSecond := l.table.at(now)
	if math.IsInf(perSecond, 1) {
		return nil, want
	}
	size := min(max(int(perSecond/portionsPerSecond), minPortion), maxPortion)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limiter == nil || l.current != perSecond {
		l.limiter, l.current = rate.NewLimiter(rate.Limit(perSecond), size), perSecond
	}
	return l.limiter, min(size, want)
}

type reader struct {
	ctx   context.Context //nolint:containedctx // of one transfer
	r     io.Reader
	limit *Limit
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return r.r.Read(p)
	}
	n, err := r.limit.portion(r.ctx, len(p))
	if err != nil {
		return 0, err
	}
	return r.r.Read(p[:n])
}
