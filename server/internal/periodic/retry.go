package periodic

import (
	"context"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/httpserver"
)

// maxPause bounds the pauses after failures, unless the rounds are further apart.
const maxPause = 30 * time.Second

// Retry paces a loop whose rounds may fail: the pauses grow while they do, so that a
// database or broker that is overloaded gets less work, and the log says once that they
// fail and once that they succeed again. It is not safe for concurrent use.
type Retry struct {
	Log   *slog.Logger
	Doing string        // what a round does, for the log, such as "reconciling uploads"
	Every time.Duration // the pause between rounds that succeed, and the first one after a failure

	failing bool
	pauses  backoff.Backoff
}

// Pause returns the pause after a round that returned err. An error that results from the
// end of ctx does not count.
func (r *Retry) Pause(ctx context.Context, err error) time.Duration {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if !r.failing {
			r.Log.WarnContext(ctx, r.Doing+" failed; retrying", "error", httpserver.Cause(err)) //nolint:sloglint // Doing is a constant of each loop
		}
		r.failing = true
		// Next returns at least half of its pause.
		r.pauses.First, r.pauses.Max = 2*r.Every, max(2*r.Every, maxPause)
		return r.pauses.Next()
	case r.failing:
		r.Log.InfoContext(ctx, r.Doing+" succeeded again") //nolint:sloglint // likewise
		r.failing = false
		r.pauses.Reset()
	}
	return r.Every
}

// Sleep waits for Pause. It returns an error once ctx has ended.
func (r *Retry) Sleep(ctx context.Context, err error) error {
	return backoff.Sleep(ctx, r.Pause(ctx, err))
}
