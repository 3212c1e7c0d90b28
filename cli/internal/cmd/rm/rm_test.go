package rm_test

import (
	"context"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/rm"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, func(run func(ids []string, json bool)) *cobra.Command {
		return rm.NewCmd(clitest.Factory(), func(_ context.Context, opts *rm.Options) error {
			if opts.Yes {
				t.Error("does not ask, without --yes")
			}
			run(opts.IDs, opts.JSON)
			return nil
		})
	})
	for _, flag := range []string{"-y", "--yes"} {
		yes := false
		cmd := rm.NewCmd(clitest.Factory(), func(_ context.Context, opts *rm.Options) error {
			yes = opts.Yes
			return nil
		})
		if err := clitest.Run(t, cmd, flag, "a"); err != nil || !yes {
			t.Errorf("%s: asks, %v", flag, err)
		}
	}
}
