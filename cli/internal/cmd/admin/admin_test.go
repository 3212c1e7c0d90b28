package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func try(t *testing.T, cmd *cobra.Command, args ...string) error {
	t.Helper()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}

func newFactory() *cmdutil.Factory {
	streams, _, _ := term.Test("")
	return &cmdutil.Factory{IO: streams}
}

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
			err := try(t, newCmdUsers(newFactory(), func(_ context.Context, o *usersOptions) error { got = o; return nil }), tt.args...)
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Limit != tt.want.Limit || got.After != tt.want.After || got.All != tt.want.All || got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}

func TestInviteFlags(t *testing.T) {
	t.Parallel()
	var got inviteOptions
	keep := func(_ context.Context, o *inviteOptions) error { got = *o; return nil }
	if err := try(t, newCmdInvite(newFactory(), keep)); err != nil || got.Expires != defaultExpires {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := try(t, newCmdInvite(newFactory(), keep), "--expires", "2d", "--json"); err != nil ||
		got.Expires != cmdutil.Lifetime(48*time.Hour) || !got.JSON {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := try(t, newCmdInvite(newFactory(), keep), "--expires", "0d"); err == nil {
		t.Error("an invitation that is good for nothing")
	}
}

func TestEnableFlags(t *testing.T) {
	t.Parallel()
	for _, newCmd := range []func(*cmdutil.Factory, func(context.Context, *enableOptions) error) *cobra.Command{newCmdDisable, newCmdEnable} {
		var got enableOptions
		keep := func(_ context.Context, o *enableOptions) error { got = *o; return nil }
		if err := try(t, newCmd(newFactory(), keep), "anna", "--json"); err != nil || got.Name != "anna" || !got.JSON {
			t.Errorf("got %+v, %v", got, err)
		}
		if err := try(t, newCmd(newFactory(), keep)); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("got %v", err)
		}
		if err := try(t, newCmd(newFactory(), nil), "a/b"); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("got %v", err)
		}
	}
}

func TestWordsThatAreNoCommand(t *testing.T) {
	t.Parallel()
	if err := try(t, NewCmd(newFactory()), "usres"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "admin users") {
		t.Errorf("got %v", err)
	}
	if err := try(t, NewCmd(newFactory()), "xyzzy"); cmdutil.ErrorCode(err) != sx.CodeUsage || sx.AsError(err).Hint != "" {
		t.Errorf("got %v", err)
	}
}
