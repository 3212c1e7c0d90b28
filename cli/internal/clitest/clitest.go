// Package clitest has what the CLI's tests share: helpers for commands, a fake sxd
// and a minimal Kubernetes API server. The fake API server is testkit/gateway.
package clitest

import (
	"context"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// Run runs a command on its own, without sx's root command.
func Run(tb testing.TB, cmd *cobra.Command, args ...string) error {
	tb.Helper()
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test program
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(tb.Context())
}

// Factory returns a factory that has only streams, for tests of flags.
func Factory() *cmdutil.Factory {
	streams, _, _ := term.Test("")
	return &cmdutil.Factory{IO: streams}
}

// DiffOptions returns how the Options of a command differ, without what they
// have from the factory: streams, functions and commands. It compares all other
// fields, so that no test of flags forgets one.
func DiffOptions[O any](want, got O) string {
	return cmp.Diff(want, got,
		cmpopts.IgnoreTypes(&term.IOStreams{}, &cobra.Command{}),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().Kind() == reflect.Func }, cmp.Ignore()),
		cmp.Exporter(func(reflect.Type) bool { return true }),
		cmpopts.EquateEmpty())
}

// CheckFlags checks the Options that a command line gives.
func CheckFlags[O any](t *testing.T, newCmd func(*cmdutil.Factory, func(context.Context, *O) error) *cobra.Command, want O, args ...string) {
	t.Helper()
	var got O
	cmd := newCmd(Factory(), func(_ context.Context, opts *O) error { got = *opts; return nil })
	if err := Run(t, cmd, args...); err != nil {
		t.Errorf("%q: %v", args, err)
	} else if diff := DiffOptions(want, got); diff != "" {
		t.Errorf("%q:\n%s", args, diff)
	}
}

// TestJobIDs tests the arguments of a command that takes job IDs and --json.
// options returns the Options that they give.
func TestJobIDs[O any](t *testing.T, newCmd func(*cmdutil.Factory, func(context.Context, *O) error) *cobra.Command, options func(ids []string, json bool) O) {
	t.Helper()
	CheckFlags(t, newCmd, options([]string{"a"}, false), "a")
	CheckFlags(t, newCmd, options([]string{"a", "b"}, true), "a", "--json", "b")
	ran := false
	err := Run(t, newCmd(Factory(), func(context.Context, *O) error { ran = true; return nil }))
	if cmdutil.ErrorCode(err) != sx.CodeUsage || ran {
		t.Errorf("without IDs: got %v, want a usage error", err)
	}
}
