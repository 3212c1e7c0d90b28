package token

import (
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestCreateFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdCreate, createOptions{Name: "ci", Expires: defaultExpires}, "ci")
	clitest.CheckFlags(t, newCmdCreate, createOptions{Name: "ci", Expires: cmdutil.Lifetime(12 * time.Hour), JSON: true}, "ci", "--expires", "12h", "--json")
	for _, args := range [][]string{{}, {"a", "b"}, {"ci", "--expires", "soon"}} {
		if err := clitest.Run(t, newCmdCreate(clitest.Factory(), nil), args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

func TestRevokeAndListFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdRevoke, revokeOptions{Token: "ci", JSON: true}, "ci", "--json")
	if err := clitest.Run(t, newCmdRevoke(clitest.Factory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
	clitest.CheckFlags(t, newCmdList, listOptions{JSON: true}, "--json")
	if err := clitest.Run(t, newCmdList(clitest.Factory(), nil), "x"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "creat"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "token create") {
		t.Errorf("got %v", err)
	}
	if err := clitest.Run(t, NewCmd(clitest.Factory())); err != nil {
		t.Errorf("got %v", err)
	}
}
