// Package clitest has what the CLI's tests share: helpers for commands, a fake sxd
// and a minimal Kubernetes API server. The fake API server is testkit/gateway.
package clitest

import (
	"slices"
	"testing"

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

// TestJobIDs tests the arguments of a command that takes job IDs and --json.
// newCmd returns the command, which passes what it parsed to run.
func TestJobIDs(t *testing.T, newCmd func(run func(ids []string, json bool)) *cobra.Command) {
	t.Helper()
	for name, tt := range map[string]struct {
		args []string
		ids  []string
		json bool
	}{
		"one":             {[]string{"a"}, []string{"a"}, false},
		"several as JSON": {[]string{"a", "--json", "b"}, []string{"a", "b"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var ids []string
			var json bool
			cmd := newCmd(func(gotIDs []string, gotJSON bool) { ids, json = gotIDs, gotJSON })
			if err := Run(t, cmd, tt.args...); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids, tt.ids) || json != tt.json {
				t.Errorf("got %v, JSON %t; want %v, JSON %t", ids, json, tt.ids, tt.json)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		ran := false
		err := Run(t, newCmd(func([]string, bool) { ran = true }))
		if cmdutil.ErrorCode(err) != sx.CodeUsage || ran {
			t.Errorf("got %v, want a usage error", err)
		}
	})
}
