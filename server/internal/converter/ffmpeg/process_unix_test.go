//go:build unix

package ffmpeg

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"testing"
)

// TestEndedReading has a program that fails because its output is no longer read, before
// it is killed: on a busy machine it may be faster. As its output was complete, this must
// not count as a failure.
func TestEndedReading(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cmd := exec.CommandContext(ctx, "sh", "-c", "trap '' PIPE; while echo text; do :; done 2>/dev/null; exit 1")
	cmd.Cancel = func() error { return nil } // the signal does not arrive in time
	err := runAndRead(ctx, cmd, func(r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			return err
		}
		return errSectionEnd
	}, stop)
	var reading *readError
	if !errors.As(err, &reading) || !errors.Is(reading.err, errSectionEnd) {
		t.Errorf("got %v, want %v", err, errSectionEnd)
	}
}

// TestGatheredIsRead checks that io.Copy gathers what it copies.
func TestGatheredIsRead(t *testing.T) {
	t.Parallel()
	if _, direct := any(gathered{}).(io.WriterTo); direct {
		t.Error("io.Copy reads the file directly")
	}
}
