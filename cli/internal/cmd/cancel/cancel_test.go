package cancel_test

import (
	"context"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/cancel"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, func(run func(ids []string, json bool)) *cobra.Command {
		return cancel.NewCmd(clitest.Factory(), func(_ context.Context, opts *cancel.Options) error {
			run(opts.IDs, opts.JSON)
			return nil
		})
	})
}
