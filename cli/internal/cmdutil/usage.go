package cmdutil

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/server/sx"
)

// UsageErrorf returns the error of a wrong command line: a missing argument, or two
// flags that exclude each other. sx exits with code 64 and prints the command's usage
// line, unlike for invalid input. Without a hint, it refers to the command's --help.
func UsageErrorf(format string, args ...any) *sx.Error {
	return sx.NewError(sx.CodeUsage, format, args...)
}

// cobraWords corrects the grammar of cobra's errors.
var cobraWords = strings.NewReplacer("at most 1 arg(s)", "at most 1 argument", "accepts 1 arg(s)", "accepts 1 argument", "arg(s)", "arguments")

// UsageArgs turns the error of a cobra argument check into a usage error.
func UsageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || ErrorCode(err) == sx.CodeUsage {
			return err
		}
		return UsageErrorf("%s", cobraWords.Replace(err.Error()))
	}
}

// AtLeastOne requires at least one argument; what names it in the error, such as
// "job ID".
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return UsageErrorf("%s required", what)
		}
		return nil
	}
}

// RequireSubcommand rejects arguments that are not the name of a subcommand.
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
