package cmdutil

import "github.com/spf13/cobra"

// AddDryRunFlag adds --dry-run. A command that has it finds out what it would do, prints
// that, and changes nothing here or on the server.
func AddDryRunFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "dry-run", false, "only show what would be done")
}
