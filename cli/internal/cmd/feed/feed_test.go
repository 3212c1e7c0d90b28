package feed

import (
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdCreate, createOptions{Name: "a"}, "a")
	clitest.CheckFlags(t, newCmdCreate, createOptions{Name: "a b", Label: "talks", Folder: "c/d", JSON: true}, "a b", "--label", "talks", "--folder", "c/d", "--json")
	for _, args := range [][]string{{}, {"a", "b"}} {
		if err := clitest.Run(t, newCmdCreate(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%v: got %v", args, err)
		}
	}
	clitest.CheckFlags(t, newCmdRevoke, revokeOptions{Feed: "a", JSON: true}, "a", "--json")
	clitest.CheckFlags(t, newCmdList, listOptions{JSON: true}, "--json")
	if err := clitest.Run(t, newCmdList(clitest.Factory(), nil), "x"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "creat"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "feed create") {
		t.Errorf("got %v", err)
	}
}
