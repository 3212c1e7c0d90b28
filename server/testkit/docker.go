package testkit

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Docker runs a docker command, such as start CONTAINER, which does nothing if the
// container is running.
func Docker(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
