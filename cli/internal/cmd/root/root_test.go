package root_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

func newRoot() (*cobra.Command, *bytes.Buffer) {
	streams, out, _ := term.Test("")
	return root.New(&cmdutil.Factory{IO: streams}, func(*pflag.FlagSet) {}), out
}

// each calls fn for every command, topics too.
func each(t *testing.T, fn func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) { fn(t, cmd) })
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	cmd, _ := newRoot()
	cmd.InitDefaultHelpCmd()
	walk(cmd)
}

func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("short text: %q", cmd.Short)
		}
		if cmd.Runnable() && !strings.Contains(cmd.Example, "  sx ") {
			t.Error("no example")
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("example is not indented: %q", line)
			}
		}
		if cmd.Runnable() && cmd.HasParent() && cmd.Parent() == cmd.Root() && cmd.GroupID == "" {
			t.Error("in no group")
		}
	})
}

func TestEveryResultCanBeJSON(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cmd *cobra.Command) {
		switch cmd.Name() {
		case "sx", "help", "completion", "account", "admin", "auth", "token", "share", "feed", "webhook", "secrets", "generate", "service", "run", "backup", "settings":
			return // they print texts for people, shells and kubectl
		}
		if cmd.Runnable() && cmd.Flags().Lookup("json") == nil {
			t.Error("no flag --json")
		}
		if cmd.Flags().Lookup("json") != nil && cmd.Flags().Lookup("jq") == nil {
			t.Error("no flag --jq")
		}
	})
}

func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cmd *cobra.Command) {
		r, out := newRoot()
		r.SetArgs(append(strings.Fields(cmd.CommandPath())[1:], "--help"))
		if !cmd.Runnable() {
			r.SetArgs([]string{"help", cmd.Name()})
		}
		if err := r.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out.Len() == 0 {
			t.Error("no help")
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	})
}

// TestValuesInHelpAreNamed checks that help does not show a value as "string" or "int".
func TestValuesInHelpAreNamed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name, _ := pflag.UnquoteUsage(f); f.Value.Type() != "bool" && name != strings.ToUpper(name) {
				t.Errorf("--%s %s", f.Name, name)
			}
		})
	})
}

func TestExitCodesTopicIsTheTable(t *testing.T) {
	t.Parallel()
	cmd, out := newRoot()
	cmd.SetArgs([]string{"help", "exit-codes"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range cmdutil.ExitCodes() {
		if want := fmt.Sprintf("\n  %3d  %s\n", m.Code, m.Text); !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
