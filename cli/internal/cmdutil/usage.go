package cmdutil

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/server/sx"
)

// UsageErrorf makes the error of a command that was typed wrong: a missing
// argument, two flags that exclude each other. It ends sx with exit code 64 and
// shows the command's usage line, unlike input that is wrong itself. Without a
// hint of its own it points to the command's --help.
func UsageErrorf(format string, args ...any) *sx.Error {
	return sx.NewError(sx.CodeUsage, format, args...)
}

// UsageArgs makes a usage error of what a cobra check of arguments finds.
func UsageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || ErrorCode(err) == sx.CodeUsage {
			return err
		}
		return UsageErrorf("%s", err)
	}
}

// AtLeastOne demands one argument or more; what names it in the error, such as
// "a job's id".
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return UsageErrorf("%s required", what)
		}
		return nil
	}
}

// RequireSubcommand refuses what is not the name of a command below this one.
func RequireSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := UsageErrorf("unknown command %q", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], cmd.Root().Name()+" "))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		path := cmd.CommandPath() + " "
		return err.WithHint("did you mean: %s", path+strings.Join(near, ", "+path))
	}
	return err
}
