package root

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/term"
)

// frontPage is what sx prints without arguments. It fits in a terminal of 80 × 24, so it
// lists only the names of commands, the most frequently needed first.
func frontPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(root.Long + "\n\n" + root.Example + "\n\n")
	names := func(in func(*cobra.Command) bool) string {
		var found []string
		for _, c := range root.Commands() {
			if in(c) && listed(c) {
				found = append(found, c.Name())
			}
		}
		return strings.Join(found, " ")
	}
	column := 0
	for _, g := range root.Groups() {
		column = max(column, len(g.Title))
	}
	row := func(title, text string) {
		for i, line := range term.Wrap(text, width-column-4) {
			if i > 0 {
				title = ""
			}
			_, _ = fmt.Fprintf(&b, "  %-*s  %s\n", column, title, line)
		}
	}
	b.WriteString("Commands:\n")
	for _, g := range root.Groups() {
		row(g.Title, names(func(c *cobra.Command) bool { return c.GroupID == g.ID }))
	}
	row("Topics", names(isTopic))
	b.WriteString("\nsx help COMMAND explains a command; sx help commands lists them all.\n")
	return b.String()
}

// commandsTopic is the help topic that lists all commands.
func commandsTopic(root *cobra.Command) *cobra.Command {
	topic := &cobra.Command{Use: "commands", Short: "All commands, one line for each"}
	var b strings.Builder
	b.WriteString("All commands:\n")
	for _, g := range root.Groups() {
		_, _ = fmt.Fprintf(&b, "\n%s:\n%s", g.Title, list(root, func(c *cobra.Command) bool { return c.GroupID == g.ID }))
	}
	flags := root.PersistentFlags()
	_, _ = fmt.Fprintf(&b, "\nHelp topics:\n%s\nFlags of all commands:\n%s", list(root, isTopic), flagsText(flags))
	topic.Long = b.String()
	return topic
}
