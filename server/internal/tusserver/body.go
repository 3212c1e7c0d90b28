package tusserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// A request must send minProgress bytes, or its last ones, in each stallTimeout that the
// server spends waiting for them; otherwise it is ended. The client then gets the offset
// and continues. The total time is not limited: a large file over a slow connection can
// take hours.
const (
	stallTimeout = time.Minute
	minProgress  = 16 << 10
)

var (
	errStalled  = sx.NewError(sx.CodeOffsetConflict, "the upload made too little progress; the bytes received so far are kept")
	errBroken   = sx.NewError(sx.CodeOffsetConflict, "the connection broke; the bytes received so far are kept")
	errStopping = sx.NewError(sx.CodeUnavailable, "the server is stopping")
	errTooLong  = sx.NewError(sx.CodeInvalid, "the request has more bytes than the upload still needs").
			WithHint("the file may have grown; upload it again once it is complete")
)

// Body is the body of a request that contains bytes of an upload. It ends at
// the upload's length, when the client stalls, when a newer request preempts it and when
// the server stops.
type Body struct {
	src     io.Reader
	ctx     context.Context //nolint:containedctx // the body belongs to the request, like its ctx
	control *http.ResponseController

	left     time.Duration // that src may block until it has sent minProgress bytes
	received int           // since left was stallTimeout

	mu      sync.Mutex
	ended   bool  // nothing more is read
	err     error // why src ended early, as reported to the client
	stopped error
}

// newBody returns the body of r, which may have at most limit bytes.
func newBody(w http.ResponseWriter, r *http.Request, limit int64) *Body {
	return &Body{src: http.MaxBytesReader(w, r.Body, limit), ctx: r.Context(), control: http.NewResponseController(w), left: stallTimeout}
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if err := b.extendDeadline(); err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := b.src.Read(p)
	b.left -= time.Since(start)
	if b.received += n; b.received >= minProgress {
		b.left, b.received = stallTimeout, 0
	}
	if err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var tooLong *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
		// A deadline that expires from now on would cancel the contexts of all
		// requests on the connection, because net/http reads from it in the
		// background.
		b.setDeadline(time.Time{})
	case errors.As(err, &tooLong):
		b.err = errTooLong
	case stopping(b.ctx):
		b.err = errStopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = errStalled
	default:
		b.err = errBroken
	}
	return n, err
}

// stopping reports whether the server ended the request.
func stopping(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), http.ErrServerClosed)
}

// extendDeadline allows what is left of the stallTimeout, unless the body was stopped.
func (b *Body) extendDeadline() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped != nil {
		return b.stopped
	}
	if !b.ended {
		b.setDeadline(time.Now().Add(b.left))
	}
	return nil
}

// setDeadline ignores the error: a connection without deadlines is closed.
func (b *Body) setDeadline(t time.Time) { _ = b.control.SetReadDeadline(t) }

// stop ends a blocked Read and all later ones. A body that was read to its end
// stays complete.
func (b *Body) stop(reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || b.stopped != nil {
		return
	}
	b.stopped = reason
	b.setDeadline(time.Now())
}

// Err returns the reason why the body ended early, or nil if it did not.
func (b *Body) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason()
}

// End makes what was read so far decide the result of the request: it disables stop, which
// the removal of a refused upload would call, and returns Err.
func (b *Body) End() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	return b.reason()
}

func (b *Body) reason() error {
	if b.stopped != nil {
		return b.stopped
	}
	return b.err
}
