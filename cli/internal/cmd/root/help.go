package root

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// width is that of help texts.
const width = 80

// help prints all there is to say about a command.
func help(cmd *cobra.Command, _ []string) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	// A reader that is gone cannot be told.
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", strings.TrimSpace(about))
	if isTopic(cmd) {
		return
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "\n%s", usageText(cmd))
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
	section("Usage", "  "+usageLine(cmd))
	if cmd.HasAvailableSubCommands() {
		for _, g := range cmd.Groups() {
			section(g.Title, list(cmd, func(c *cobra.Command) bool { return c.GroupID == g.ID }))
		}
		section("More commands", list(cmd, func(c *cobra.Command) bool { return c.GroupID == "" && !isTopic(c) }))
		section("Help topics", list(cmd, isTopic))
	}
	if len(cmd.Aliases) > 0 {
		section("Aliases", "  "+strings.Join(cmd.Aliases, ", "))
	}
	section("Examples", cmd.Example)
	section("Flags", flagsText(cmd.LocalFlags()))
	section("Flags of all commands", flagsText(cmd.InheritedFlags()))
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "sx COMMAND [flags]"
	}
	return cmd.UseLine()
}

func list(parent *cobra.Command, in func(*cobra.Command) bool) string {
	var b strings.Builder
	for _, c := range parent.Commands() {
		if in(c) && (c.IsAvailableCommand() || c.Name() == "help" || isTopic(c)) {
			_, _ = fmt.Fprintf(&b, "  %-14s%s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}
