package configcmd

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestUseRequiresOneName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"a"}, {"a", "b"}} {
		streams, _, _ := term.Test("")
		var got *useOptions
		cmd := newCmdUse(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *useOptions) error {
			got = o
			return nil
		})
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		switch {
		case len(args) != 1 && cmdutil.ErrorCode(err) != sx.CodeUsage:
			t.Errorf("%v: got %v, want a usage error", args, err)
		case len(args) == 1 && err != nil:
			t.Errorf("%v: %v", args, err)
		case len(args) == 1:
			if diff := clitest.DiffOptions(useOptions{Name: "a"}, *got); diff != "" {
				t.Error(diff)
			}
		}
	}
}
