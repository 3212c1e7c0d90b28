package sandbox

import (
	"context"
	"os/exec"
)

// command starts the program as it is: on Windows a parent cannot set such limits.
func (s *Sandbox) command(ctx context.Context, _ Profile, program string, args []string) *exec.Cmd {
	return exec.CommandContext(ctx, program, args...)
}
