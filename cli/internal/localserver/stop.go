package localserver

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// stopTimeout is how long a server may take to shut down.
const stopTimeout = 30 * time.Second

// Stop stops the server and waits until its process has exited.
func Stop(ctx context.Context, dir string, in *Instance) error {
	return stop(ctx, dir, in, stopTimeout)
}

func stop(parent context.Context, dir string, in *Instance, timeout time.Duration) error {
	process, err := os.FindProcess(in.PID)
	if err != nil {
		return nil // already exited
	}
	defer func() { _ = process.Release() }()
	if err := terminate(process); err != nil {
		if !alive(in.PID) {
			return nil
		}
		return fmt.Errorf("stop process %d: %w", in.PID, err)
	}
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	if err := until(ctx, func() bool { return !alive(in.PID) }); err != nil {
		if parent.Err() == nil {
			return sx.NewError(sx.CodeUnavailable, "the server did not stop; it is still running as process %d", in.PID).
				WithHint("wait for it, or kill it, which loses no uploads: kill -9 %d; its log is %s", in.PID, LogPath(dir))
		}
		return err
	}
	return nil
}

// pollInterval is the time between two checks of a condition.
const pollInterval = 50 * time.Millisecond

// until polls until done returns true, or returns ctx's error.
func until(ctx context.Context, done func() bool) error {
	for !done() {
		if err := backoff.Sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
	return nil
}
