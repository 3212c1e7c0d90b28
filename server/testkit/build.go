package testkit

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build builds the programs in packages into dir, with the race detector if the
// caller was built with it.
func Build(ctx context.Context, dir string, packages ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, raceFlags...)
	if out, err := exec.CommandContext(ctx, "go", append(args, packages...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}
