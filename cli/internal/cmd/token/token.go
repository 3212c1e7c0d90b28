// Package token holds the commands of sx token.
package token

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns sx token with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manage personal tokens for scripts",
		Long: `Manage personal tokens, which authenticate scripts, build servers and other
programs that cannot enter a password. sx reads one from the environment
variable SX_TOKEN; any HTTP client sends it as
  Authorization: Bearer sxp_…

A token can do everything with your videos, but it cannot change the password,
create tokens, see or change notification settings, or administer the server.`,
		Example: `  sx token create backup --expires 30d
  sx token list
  sx token revoke backup`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdCreate(f, nil), newCmdList(f, nil), newCmdRevoke(f, nil))
	return cmd
}
