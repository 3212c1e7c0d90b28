// Package settings parses the settings of the server programs: the flag
// --some-name, else the environment variable PREFIX_SOME_NAME, else the default.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/sx"
)

// Parse sets the flags from args, and those that are not in args from the
// environment. An *sx.Error of code invalid names the invalid setting. For --help
// and --version it writes the usage or the version to help and returns pflag.ErrHelp.
func Parse(flags *pflag.FlagSet, prefix string, args []string, getenv func(string) string, help io.Writer) error {
	flags.SortFlags = false
	version := flags.Bool("version", false, "print the version")
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
	if *version {
		_, _ = fmt.Fprintf(help, "%s %s\n", flags.Name(), sx.Version)
		return pflag.ErrHelp
	}
	if flags.NArg() > 0 {
		return invalid(flags, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	}
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := Variable(prefix, f.Name)
		value := getenv(name)
		if f.Changed || value == "" || first != nil || f.Name == "version" {
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

// Remember sets the flags that neither args nor the environment has set from a JSON
// file, an object of the names of flags and their values as text; only those named in
// allowed may be in it. A missing file counts as empty. It is called after Parse.
func Remember(flags *pflag.FlagSet, path string, allowed ...string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	wrong := func(reason string) error {
		return sx.NewError(sx.CodeInvalid, "%s: %s", path, reason).WithHint("correct the file or remove it")
	}
	if err != nil {
		return wrong(err.Error())
	}
	var values map[string]string
	if err := json.Unmarshal(raw, &values); err != nil {
		return wrong(err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := flags.Lookup(name)
		switch {
		case f == nil || !slices.Contains(allowed, name):
			return wrong(fmt.Sprintf("unknown setting %q", name))
		case f.Changed:
			continue
		}
		if err := flags.Set(name, values[name]); err != nil {
			return wrong(fmt.Sprintf("invalid value %q of %s: %v", values[name], name, err))
		}
	}
	return nil
}
