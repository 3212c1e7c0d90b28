// Package feed holds the commands of sx feed.
package feed

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns sx feed with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feed",
		Short: "Manage podcast feeds of your MP3s",
		Long: `Manage private podcast feeds. A podcast app that has the address of a feed shows
your newest MP3s, with their chapters and covers, and plays or downloads them;
it needs no account. New MP3s appear by their label or folder. Treat the address
like the MP3s themselves: whoever has it can pass it on.

A feed ends when it is revoked and when your account is deleted. It does not
work while your account is disabled. The MP3s that it shows are not deleted by
the server's retention period.`,
		Example: `  sx feed create "Staff talks" --label talks
  sx feed list
  sx feed revoke "Staff talks"`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdCreate(f, nil), newCmdList(f, nil), newCmdRevoke(f, nil))
	return cmd
}
