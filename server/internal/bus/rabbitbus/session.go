package rabbitbus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/soundextract/sx/server/backoff"
)

// The pauses between attempts grow from the first to the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

func newBackoff() backoff.Backoff { return backoff.Backoff{First: firstPause, Max: longestPause} }

// session is a connection with what runs on it.
type session interface {
	comparable
	lost() <-chan struct{} // closed when the connection has ended
	reason() error         // why, once lost
	close()
}

// keeper keeps one session open: it replaces a lost one until its context ends.
type keeper[S session] struct {
	log  *slog.Logger
	open func(ctx context.Context) (S, error)

	mu    sync.Mutex
	state state[S]
}

type state[S session] struct {
	session S             // the zero value while there is none
	failure error         // why there is none; nil before the first attempt
	ended   bool          // no other session will follow
	changed chan struct{} // closed when the state changes
}

func newKeeper[S session](name string, log *slog.Logger, open func(context.Context) (S, error)) *keeper[S] {
	return &keeper[S]{
		log: log.With(slog.String("connection", name)), open: open,
		state: state[S]{changed: make(chan struct{})},
	}
}

// run opens sessions until ctx ends.
func (k *keeper[S]) run(ctx context.Context) {
	var none S
	wait := newBackoff()
	defer func() { k.set(none, errClosed, true) }()
	for ctx.Err() == nil {
		s, err := k.open(ctx)
		if err == nil {
			wait.Reset()
			k.set(s, nil, false)
			k.log.InfoContext(ctx, "connected to the message broker")
			select {
			case <-s.lost():
				err = s.reason()
			case <-ctx.Done():
			}
			k.set(none, err, false)
			s.close()
		}
		if ctx.Err() != nil {
			return
		}
		k.set(none, err, false)
		pause := wait.Next()
		k.log.WarnContext(ctx, "no connection to the message broker, retrying",
			slog.Any("error", err), slog.Duration("pause", pause))
		_ = backoff.Sleep(ctx, pause)
	}
}

func (k *keeper[S]) set(s S, failure error, ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.state.changed)
	k.state = state[S]{session: s, failure: failure, ended: ended, changed: make(chan struct{})}
}

func (k *keeper[S]) snapshot() state[S] {
	k.mu.Lock()
	defer k.mu.Unlock()
	var none S
	now := k.state
	if now.session != none {
		select {
		case <-now.session.lost(): // run has not noticed yet
			now.failure = now.session.reason()
			now.session = none
		default:
		}
	}
	return now
}

// current returns the open session, or an *sx.Error of code unavailable.
func (k *keeper[S]) current() (S, error) {
	var none S
	now := k.snapshot()
	switch {
	case now.ended:
		return none, errClosed
	case now.session == none:
		return none, unavailable(now.failure)
	}
	return now.session, nil
}

// wait waits for an open session. It returns ctx's error or errClosed.
func (k *keeper[S]) wait(ctx context.Context) (S, error) {
	var none S
	for {
		now := k.snapshot()
		switch {
		case ctx.Err() != nil:
			return none, ctx.Err()
		case now.ended:
			return none, errClosed
		case now.session != none:
			return now.session, nil
		}
		select {
		case <-now.changed:
		case <-ctx.Done():
		}
	}
}

// first waits for the first session, for a refusal, or until ctx ends. It
// returns nil once there is a session, or else the reason.
func (k *keeper[S]) first(ctx context.Context) error {
	var none S
	for {
		now := k.snapshot()
		switch {
		case now.session != none:
			return nil
		case isRefusal(now.failure):
			return now.failure
		case ctx.Err() != nil && now.failure != nil:
			return now.failure
		case ctx.Err() != nil:
			return ctx.Err()
		}
		select {
		case <-now.changed:
		case <-ctx.Done():
		}
	}
}

// tasks are the goroutines of a bus. All end before Close returns.
type tasks struct {
	mu    sync.Mutex
	group sync.WaitGroup
	ended bool
}

// run starts fn, unless the bus is closed, and reports whether it did.
func (t *tasks) run(fn func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.group.Go(fn)
	return true
}

// wait waits for the running tasks; no more are started.
func (t *tasks) wait() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.group.Wait()
}
