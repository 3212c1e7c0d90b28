package localserver

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// stopPatience is how long a server may take to finish what it does.
const stopPatience = 30 * time.Second

// Stop asks the server to end and waits until its process is gone.
func Stop(ctx context.Context, dir string, in *Instance) error {
	return stop(ctx, dir, in, stopPatience)
}

func stop(parent context.Context, dir string, in *Instance, patience time.Duration) error {
	process, err := os.FindProcess(in.PID)
	if err != nil {
		return nil // gone already
	}
	defer func() { _ = process.Release() }()
	if err := terminate(process); err != nil {
		if !alive(in.PID) {
			return nil
		}
		return fmt.Errorf("stop process %d: %w", in.PID, err)
	}
	ctx, cancel := context.WithTimeout(parent, patience)
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

// pause is how often a condition that announces nothing is looked at.
const pause = 50 * time.Millisecond

// until waits for the condition, or returns ctx's error.
func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
