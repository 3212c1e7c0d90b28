package token

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

// try runs a command and reports whether it was typed well.
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

func TestCreateFlags(t *testing.T) {
	t.Parallel()
	var got createOptions
	keep := func(_ context.Context, o *createOptions) error { got = *o; return nil }
	if err := try(t, newCmdCreate(newFactory(), keep), "ci"); err != nil || got.Name != "ci" || got.Expires != defaultExpires || got.JSON {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := try(t, newCmdCreate(newFactory(), keep), "ci", "--expires", "12h", "--json"); err != nil ||
		got.Expires != cmdutil.Lifetime(12*time.Hour) || !got.JSON {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, args := range [][]string{{}, {"a", "b"}, {"ci", "--expires", "soon"}} {
		if err := try(t, newCmdCreate(newFactory(), keep), args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

func TestRevokeAndListFlags(t *testing.T) {
	t.Parallel()
	var revoked revokeOptions
	revoke := newCmdRevoke(newFactory(), func(_ context.Context, o *revokeOptions) error { revoked = *o; return nil })
	if err := try(t, revoke, "ci", "--json"); err != nil || revoked.Token != "ci" || !revoked.JSON {
		t.Errorf("got %+v, %v", revoked, err)
	}
	if err := try(t, newCmdRevoke(newFactory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
	var listed listOptions
	list := newCmdList(newFactory(), func(_ context.Context, o *listOptions) error { listed = *o; return nil })
	if err := try(t, list, "--json"); err != nil || !listed.JSON {
		t.Errorf("got %+v, %v", listed, err)
	}
	if err := try(t, newCmdList(newFactory(), nil), "x"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
}

func TestWordsThatAreNoCommand(t *testing.T) {
	t.Parallel()
	if err := try(t, NewCmd(newFactory()), "creat"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "token create") {
		t.Errorf("got %v", err)
	}
	if err := try(t, NewCmd(newFactory())); err != nil {
		t.Errorf("got %v", err)
	}
}
