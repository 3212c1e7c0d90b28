package account

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestDeleteFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdDelete, deleteOptions{})
	clitest.CheckFlags(t, newCmdDelete, deleteOptions{Yes: true, PasswordStdin: true, JSON: true}, "-y", "--password-stdin", "--json")
	for _, args := range [][]string{{"anna"}, {"--password-stdin"}} {
		if err := clitest.Run(t, newCmdDelete(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
