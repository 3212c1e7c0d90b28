package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// piece is the body of one request that brings bytes of an upload. The tus
// handler shows a broken connection to the store as a clean end; the piece
// knows better, and it can be stopped while it waits for bytes.
type piece struct {
	src     io.ReadCloser
	control *http.ResponseController
	release func() // of the turn; nil until it is taken
	expires time.Time

	mu     sync.Mutex
	reason error // why it was stopped
	broken bool  // the body ended before its end
	whole  bool  // the body was read to its end
	ended  bool
}

type pieceKey struct{}

// newPiece puts itself in place of the request's body.
func newPiece(w http.ResponseWriter, r *http.Request) (*piece, *http.Request) {
	p := &piece{src: r.Body, control: http.NewResponseController(w)}
	r = r.WithContext(context.WithValue(r.Context(), pieceKey{}, p))
	r.Body = p
	return p, r
}

// pieceOf finds the piece in the context that the tus handler hands on.
func pieceOf(ctx context.Context) *piece {
	p, _ := ctx.Value(pieceKey{}).(*piece)
	return p
}

var errStopped = errors.New("the upload was stopped")

// Read implements io.Reader. The check before each read matters: the tus handler
// moves the read deadline after each successful one, and so may undo stop's.
func (p *piece) Read(b []byte) (int, error) {
	if p.stopped() != nil {
		return 0, errStopped
	}
	n, err := p.src.Read(b)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.whole = errors.Is(err, io.EOF)
		p.broken = p.broken || !p.whole
	}
	return n, err
}

// Close implements io.Closer.
func (p *piece) Close() error { return p.src.Close() }

// stop ends a read that waits and all that would follow.
func (p *piece) stop(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.reason != nil {
		return
	}
	p.reason = reason
	_ = p.control.SetReadDeadline(time.Now()) // a connection that has none is closed already
}

// end says that no more is read: stop does nothing any more. A read deadline
// that passes after the body is read whole would end the contexts of all
// requests on the connection, so it is taken away, and reusable is false when
// it may have passed.
func (p *piece) end() (reusable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended && p.whole && p.reason == nil {
		_ = p.control.SetReadDeadline(time.Time{}) // as in stop
	}
	p.ended = true
	return p.reason == nil
}

// isBroken reports whether the body ended before its end.
func (p *piece) isBroken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken || p.reason != nil
}

// stopped is why the piece was stopped, nil when it was not.
func (p *piece) stopped() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}
