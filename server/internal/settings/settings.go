// Package settings reads a server program's settings: a flag --some-name, else
// the variable PREFIX_SOME_NAME, else the default.
package settings

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/sx"
)

// Parse sets the flags from args, then those that args left alone from the
// environment. An Error of code invalid names the setting that is wrong. With
// --help the usage goes to help and the error is pflag.ErrHelp.
func Parse(flags *pflag.FlagSet, prefix string, args []string, getenv func(string) string, help io.Writer) error {
	flags.SortFlags = false
	flags.Usage = func() {
		_, _ = fmt.Fprintf(help, "Usage: %s [flags]\n\nEach flag can be given as a variable too: --%s as %s.\n\n%s",
			flags.Name(), "log-level", Variable(prefix, "log-level"), flags.FlagUsagesWrapped(80))
	}
	if err := flags.Parse(args); err != nil {
		if err == pflag.ErrHelp { //nolint:errorlint // pflag documents that it returns ErrHelp itself
			return err
		}
		return invalid(flags, err.Error())
	}
	if flags.NArg() > 0 {
		return invalid(flags, fmt.Sprintf("%q is not a flag", flags.Arg(0)))
	}
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := Variable(prefix, f.Name)
		value := getenv(name)
		if f.Changed || value == "" || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = invalid(flags, fmt.Sprintf("%s is set to %q: %v", name, value, err))
		}
	})
	return first
}

// Variable is the name of the variable that stands for the flag.
func Variable(prefix, flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func invalid(flags *pflag.FlagSet, message string) error {
	return sx.NewError(sx.CodeInvalid, "%s", message).WithHint("see: %s --help", flags.Name())
}
