// Package settings parses the settings of the server programs: the flag
// --some-name, else the environment variable PREFIX_SOME_NAME, else the default.
package settings

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/sx"
)

// Parse sets the flags from args, and those that are not in args from the
// environment. An *sx.Error of code invalid names the invalid setting. For --help
// it writes the usage to help and returns pflag.ErrHelp.
func Parse(flags *pflag.FlagSet, prefix string, args []string, getenv func(string) string, help io.Writer) error {
	flags.SortFlags = false
	flags.Usage = func() {
		_, _ = fmt.Fprintf(help, "Usage: %s [flags]\n\nEach flag can also be set by an environment variable: --%s by %s.\n\n%s",
			flags.Name(), "log-level", Variable(prefix, "log-level"), flags.FlagUsagesWrapped(80))
	}
	if err := flags.Parse(args); err != nil {
		if err == pflag.ErrHelp { //nolint:errorlint // pflag documents that it returns ErrHelp itself
			return err
		}
		return invalid(flags, err.Error())
	}
	if flags.NArg() > 0 {
		return invalid(flags, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	}
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := Variable(prefix, f.Name)
		value := getenv(name)
		if f.Changed || value == "" || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = invalid(flags, fmt.Sprintf("invalid value %q of %s: %v", value, name, err))
		}
	})
	return first
}

// Variable returns the name of the environment variable that sets the flag.
func Variable(prefix, flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Invalid returns the error of a setting with an invalid value; prefix is that of
// Parse.
func Invalid(prefix, setting, reason string, args ...any) *sx.Error {
	return sx.NewError(sx.CodeInvalid, "invalid setting %s: %s", setting, fmt.Sprintf(reason, args...)).
		WithHint("set --%s or %s to a valid value", setting, Variable(prefix, setting))
}

func invalid(flags *pflag.FlagSet, message string) error {
	return sx.NewError(sx.CodeInvalid, "%s", message).WithHint("see: %s --help", flags.Name())
}
