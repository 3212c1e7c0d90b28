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
		Short: "Administer the server: accounts and their work",
		Long: `Administer the server's accounts, and see the work of all of them. The owner of
a local server administers it; in a cluster, the Helm value auth.admin names the
administrator.`,
		Example: `  sx admin users
  sx admin invite --expires 2d
  sx admin disable anna
  sx admin set-quota anna --bytes 50GiB
  sx admin queue --watch
  sx admin jobs --state failed --since 1d`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdUsers(f, nil), newCmdInvite(f, nil), newCmdDisable(f, nil), newCmdEnable(f, nil), newCmdReset(f, nil),
		newCmdSetQuota(f, nil), newCmdSetRetention(f, nil), newCmdDelete(f, nil), newCmdAudit(f, nil), newCmdFinishUpgrade(f, nil),
		newCmdJobs(f, nil), newCmdUsage(f, nil), newCmdQueue(f, nil))
	return cmd
}
