package transfer

import (
	"context"
	"errors"
	"time"
)

// stallTimeout is how long a connection may transfer nothing before it is closed. A
// connection whose peer has vanished cannot be distinguished from a slow one.
const stallTimeout = 30 * time.Second

// watchdog cancels a context unless it is reset in time.
type watchdog struct {
	timer   *time.Timer
	timeout time.Duration
	cancel  context.CancelCauseFunc
}

// watch derives a context that is cancelled with the cause ErrStalled unless
// reset is called at least once in every timeout. The caller must call stop.
func watch(ctx context.Context, timeout time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(timeout, func() { cancel(ErrStalled) })
	return ctx, &watchdog{timer: timer, timeout: timeout, cancel: cancel}
}

func (w *watchdog) reset() { w.timer.Reset(w.timeout) }

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// stallError returns ErrStalled if err was caused by the watchdog, and otherwise err.
func stallError(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// watched calls fn, which sends a request with a short response, with a context that
// ends after the timeout.
func watched(ctx context.Context, timeout time.Duration, fn func(context.Context) error) error {
	ctx, dog := watch(ctx, timeout)
	defer dog.stop()
	return stallError(ctx, fn(ctx))
}
