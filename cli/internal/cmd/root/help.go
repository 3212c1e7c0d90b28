package root

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/term"
)

// width is the width of help texts.
const width = 80

// help returns the function that prints the help text of a command.
func help(streams *term.IOStreams) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
		// There is nowhere to report an error.
		_, _ = fmt.Fprint(cmd.OutOrStdout(), fitted(streams, helpText(cmd)))
	}
}

func helpText(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return frontPage(cmd)
	}
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	about = strings.TrimSpace(about) + "\n"
	if isTopic(cmd) {
		return about
	}
	return about + "\n" + usageText(cmd)
}

// fitted breaks a text for a terminal that is narrower than the texts.
func fitted(streams *term.IOStreams, text string) string {
	if columns, _ := streams.Size(); streams.OutTTY && columns < width {
		return term.Narrow(text, columns)
	}
	return text
}

func printUsage(cmd *cobra.Command) error {
	_, err := fmt.Fprint(cmd.ErrOrStderr(), usageText(cmd))
	return err
}

func isTopic(cmd *cobra.Command) bool { return !cmd.Runnable() && !cmd.HasSubCommands() }

func usageText(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var b strings.Builder
	section := func(title, body string) {
		if body = strings.TrimRight(body, "\n "); body == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		_, _ = fmt.Fprintf(&b, "%s:\n%s\n", title, body)
	}
	section("Usage", "  "+cmd.UseLine())
	section("Commands", list(cmd, func(*cobra.Command) bool { return true }))
	if len(cmd.Aliases) > 0 {
		section("Aliases", "  "+strings.Join(cmd.Aliases, ", "))
	}
	section("Examples", cmd.Example)
	section("Flags", flagsText(cmd.LocalFlags()))
	section("Flags of all commands", flagsText(cmd.InheritedFlags()))
	return b.String()
}

// list describes the selected subcommands in two columns.
func list(parent *cobra.Command, in func(*cobra.Command) bool) string {
	column := 0 // the same for all groups
	for _, c := range parent.Commands() {
		column = max(column, len(c.Name()))
	}
	var b strings.Builder
	for _, c := range parent.Commands() {
		if in(c) && listed(c) {
			_, _ = fmt.Fprintf(&b, "  %-*s  %s\n", column, c.Name(), c.Short)
		}
	}
	return b.String()
}

// listed reports whether people should know of the command or topic.
func listed(c *cobra.Command) bool { return c.IsAvailableCommand() || c.Name() == "help" || isTopic(c) }

// flagsText describes flags in two columns, wrapped to the width. (pflag's own
// text appends "[=true|false]" to every boolean flag.)
func flagsText(flags *pflag.FlagSet) string {
	var left, right []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		if value != "" && f.Value.Type() != "bool" {
			name += " " + value
		}
		if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		left, right = append(left, name), append(right, text)
	})
	column := 0
	for _, name := range left {
		column = max(column, len(name))
	}
	var b strings.Builder
	for i, name := range left {
		for n, line := range term.Wrap(right[i], width-column-4) {
			if n > 0 {
				name = ""
			}
			_, _ = fmt.Fprintf(&b, "  %-*s  %s\n", column, name, line)
		}
	}
	return b.String()
}
