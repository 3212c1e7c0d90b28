package cmdutil

import "github.com/spf13/cobra"

// AddDryRunFlag adds --dry-run. With it, a command prints what it would do, and changes
// nothing on this machine or on the server.
func AddDryRunFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "dry-run", false, "only show what would be done")
}
