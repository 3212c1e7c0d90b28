// Package admin holds the commands of sx admin.
package admin

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns sx admin with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Administer the server's accounts",
		Long: `Administer the server's accounts. The first account of a local server is its
administrator; in a cluster, the Helm value admin names the administrator.`,
		Example: `  sx admin users
  sx admin invite --expires 2d
  sx admin disable anna`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdUsers(f, nil), newCmdInvite(f, nil), newCmdDisable(f, nil), newCmdEnable(f, nil))
	return cmd
}
