package rabbitbus

import (
	"context"
	"log/slog"
	"sync"

	"github.com/soundextract/sx/server/sx"
)

// session is what a link keeps up: a connection with what runs on it.
type session interface {
	comparable
	lost() <-chan struct{} // closed when the connection has gone
	reason() error         // why, once lost
	close()
}

// link keeps one session up, without end.
type link[S session] struct {
	log  *slog.Logger
	back *bell // shared with the other link
	open func(ctx context.Context) (S, error)

	mu    sync.Mutex
	state state[S]
}

// state is how a link stands.
type state[S session] struct {
	session S             // the zero value while there is none
	failure error         // why there is none, nil before the first try
	ended   bool          // there will be none any more
	changed chan struct{} // closed when the link stands otherwise
}

func newLink[S session](
	name string, log *slog.Logger, back *bell, open func(context.Context) (S, error),
) *link[S] {
	return &link[S]{
		log: log.With(slog.String("connection", name)), back: back, open: open,
		state: state[S]{changed: make(chan struct{})},
	}
}

// keepUp connects, again and again, until ctx ends.
func (l *link[S]) keepUp(ctx context.Context) {
	var none S
	var wait backoff
	defer func() { l.set(none, errClosed, true) }()
	for ctx.Err() == nil {
		back := l.back.next()
		s, err := l.open(ctx)
		if err == nil {
			wait.reset()
			l.set(s, nil, false)
			l.back.ring()
			l.log.InfoContext(ctx, "connected to the message broker")
			select {
			case <-s.lost():
				err = s.reason()
			case <-ctx.Done():
			}
			l.set(none, err, false)
			s.close()
		}
		if ctx.Err() != nil {
			return
		}
		l.set(none, err, false)
		d := wait.next()
		l.log.WarnContext(ctx, "no connection to the message broker, trying again",
			slog.Any("error", err), slog.Duration("pause", d))
		if pause(ctx, d, back) {
			wait.reset()
			pause(ctx, wait.next(), nil) // never without one
		}
	}
}

func (l *link[S]) set(s S, failure error, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.state.changed)
	l.state = state[S]{session: s, failure: failure, ended: ended, changed: make(chan struct{})}
}

func (l *link[S]) look() state[S] {
	l.mu.Lock()
	defer l.mu.Unlock()
	var none S
	now := l.state
	if now.session != none {
		select {
		case <-now.session.lost(): // keepUp is about to notice
			now.failure = now.session.reason()
			now.session = none
		default:
		}
	}
	return now
}

// now is the session in use, or an *sx.Error of code unavailable.
func (l *link[S]) now() (S, error) {
	var none S
	now := l.look()
	switch {
	case now.ended:
		return none, errClosed
	case now.session == none:
		return none, unavailable(now.failure)
	}
	return now.session, nil
}

// get waits for a session. Its error is ctx's, or errClosed.
func (l *link[S]) get(ctx context.Context) (S, error) {
	var none S
	for {
		now := l.look()
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

// first waits until the session is up, until a refusal, or until ctx ends, and
// returns why it is not up.
func (l *link[S]) first(ctx context.Context) error {
	var none S
	for {
		now := l.look()
		switch {
		case now.session != none:
			return nil
		case refused(now.failure):
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

// unavailable is what callers see while the broker is away.
func unavailable(cause error) error {
	return sx.NewError(sx.CodeUnavailable, "the message broker is not reachable").WithCause(cause)
}
