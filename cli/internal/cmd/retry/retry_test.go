package retry_test

import (
	"context"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/retry"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, func(run func(ids []string, json bool)) *cobra.Command {
		return retry.NewCmd(clitest.Factory(), func(_ context.Context, opts *retry.Options) error {
			run(opts.IDs, opts.JSON)
			return nil
		})
	})
}
