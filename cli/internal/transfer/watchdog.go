package transfer

import (
	"context"
	"errors"
	"time"
)

// Stall is how long a connection may move nothing before it is given up. A
// connection whose other end vanished looks just like a slow one.
const Stall = 30 * time.Second

// Watchdog ends a context when it hears nothing for a while.
type Watchdog struct {
	timer  *time.Timer
	after  time.Duration
	cancel context.CancelCauseFunc
}

// Watch derives a context that ends with ErrStalled as its cause unless Beat is
// called at least every after. Stop has to be called in the end.
func Watch(ctx context.Context, after time.Duration) (context.Context, *Watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(after, func() { cancel(ErrStalled) })
	return ctx, &Watchdog{timer: timer, after: after, cancel: cancel}
}

// Beat says that something moved.
func (w *Watchdog) Beat() { w.timer.Reset(w.after) }

// Stop ends the watch and the context.
func (w *Watchdog) Stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// Cause is err, or ErrStalled when the watchdog ended ctx and so brought err about.
func Cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}
