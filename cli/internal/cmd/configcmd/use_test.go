package configcmd

import (
	"context"
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
)

func TestUseWantsOneName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"a"}, {"a", "b"}} {
		streams, _, _ := iostreams.Test("")
		var got *useOptions
		cmd := newCmdUse(&factory.Factory{IO: streams}, func(_ context.Context, o *useOptions) error {
			got = o
			return nil
		})
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		var typed *usage.Error
		switch {
		case len(args) != 1 && !errors.As(err, &typed):
			t.Errorf("%v: got %v, want a usage error", args, err)
		case len(args) == 1 && (err != nil || got.Name != "a"):
			t.Errorf("%v: got %+v, %v", args, got, err)
		}
	}
}
