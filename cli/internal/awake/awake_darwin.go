package awake

import (
	"context"
	"os"
	"os/exec"
	"strconv"
)

// inhibit runs caffeinate, which keeps the system from idle sleep until it is ended or
// this process has ended.
func inhibit(ctx context.Context) (release func()) {
	cmd := exec.CommandContext(ctx, "/usr/bin/caffeinate", "-i", "-w", strconv.Itoa(os.Getpid()))
	if cmd.Start() != nil {
		return func() {}
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
}
