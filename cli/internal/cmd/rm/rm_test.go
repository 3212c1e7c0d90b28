package rm_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/rm"
	"github.com/soundextract/sx/cli/internal/cmdutil"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, rm.NewCmd, func(ids []string, json bool) rm.Options {
		return rm.Options{IDs: ids, JSON: json}
	})
	clitest.CheckFlags(t, rm.NewCmd, rm.Options{
		OlderThan: cmdutil.Lifetime(30 * 24 * time.Hour), States: []string{"failed", "expired"}, Labels: []string{"a b"}, DryRun: true,
	}, "--older-than", "30d", "--state", "failed,expired", "--label", "a b", "--dry-run")
	for _, args := range [][]string{{"a", "--state", "failed"}, {"--state", "dne"}, {"--older-than", "x"}} {
		if err := clitest.Run(t, rm.NewCmd(clitest.Factory(), nil), args...); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	for _, flag := range []string{"-y", "--yes"} {
		clitest.CheckFlags(t, rm.NewCmd, rm.Options{IDs: []string{"a"}, Yes: true}, flag, "a")
	}
}
