package rm_test

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/rm"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, rm.NewCmd, func(ids []string, json bool) rm.Options {
		return rm.Options{IDs: ids, JSON: json}
	})
	for _, flag := range []string{"-y", "--yes"} {
		clitest.CheckFlags(t, rm.NewCmd, rm.Options{IDs: []string{"a"}, Yes: true}, flag, "a")
	}
}
