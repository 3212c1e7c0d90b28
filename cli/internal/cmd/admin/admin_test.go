package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestUsersFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  usersOptions
		wrong bool
	}{
		{"none", nil, usersOptions{Limit: 50}, false},
		{"page", []string{"--limit", "5", "--after", "anna", "--json"}, usersOptions{Limit: 5, After: "anna", JSON: true}, false},
		{"all", []string{"--all"}, usersOptions{Limit: 50, All: true}, false},
		{"no limit", []string{"--limit", "0"}, usersOptions{}, true},
		{"all and limit", []string{"--all", "--limit", "5"}, usersOptions{}, true},
		{"argument", []string{"anna"}, usersOptions{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *usersOptions
			err := clitest.Run(t, newCmdUsers(clitest.Factory(), func(_ context.Context, o *usersOptions) error { got = o; return nil }), tt.args...)
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := clitest.DiffOptions(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInviteFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdInvite, inviteOptions{Expires: defaultExpires})
	clitest.CheckFlags(t, newCmdInvite, inviteOptions{Expires: cmdutil.Lifetime(48 * time.Hour), JSON: true}, "--expires", "2d", "--json")
	if err := clitest.Run(t, newCmdInvite(clitest.Factory(), nil), "--expires", "0d"); err == nil {
		t.Error("an invitation that is good for nothing")
	}
}

func TestEnableFlags(t *testing.T) {
	t.Parallel()
	for done, newCmd := range map[string]func(*cmdutil.Factory, func(context.Context, *enableOptions) error) *cobra.Command{
		"Disabled": newCmdDisable, "Enabled": newCmdEnable,
	} {
		clitest.CheckFlags(t, newCmd, enableOptions{Name: "anna", JSON: true, done: done}, "anna", "--json")
		if err := clitest.Run(t, newCmd(clitest.Factory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("got %v", err)
		}
		if err := clitest.Run(t, newCmd(clitest.Factory(), nil), "a/b"); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("got %v", err)
		}
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "usres"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "admin users") {
		t.Errorf("got %v", err)
	}
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "xyzzy"); cmdutil.ErrorCode(err) != sx.CodeUsage || sx.AsError(err).Hint != "" {
		t.Errorf("got %v", err)
	}
}
