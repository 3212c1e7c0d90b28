package share

import (
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdCreate, createOptions{Job: "a", Expires: cmdutil.Lifetime(api.DefaultShareLife)}, "a")
	clitest.CheckFlags(t, newCmdCreate, createOptions{Job: "a", Expires: cmdutil.Lifetime(12 * time.Hour), JSON: true}, "a", "--expires", "12h", "--json")
	for _, args := range [][]string{{}, {"a", "b"}, {"a", "--expires", "soon"}, {"a", "--expires", "367d"}} {
		if err := clitest.Run(t, newCmdCreate(clitest.Factory(), nil), args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	clitest.CheckFlags(t, newCmdRevoke, revokeOptions{ID: "a-b", JSON: true}, "a-b", "--json")
	clitest.CheckFlags(t, newCmdList, listOptions{JSON: true}, "--json")
	if err := clitest.Run(t, newCmdList(clitest.Factory(), nil), "x"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "creat"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "share create") {
		t.Errorf("got %v", err)
	}
}
