// Package share holds the commands of sx share.
package share

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns sx share with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Manage links with which others hear an MP3",
		Long: `Manage links to MP3s. A link opens a page with a player and a download; nobody
needs an account for it, and nothing else can be reached through it. Treat it
like the MP3 itself: whoever has it can pass it on.

A link ends when it expires or is revoked and when its job or your account is
deleted. It does not work while your account is disabled. As long as a link is
valid, its MP3 is not deleted by the server's retention period.`,
		Example: `  sx share create jq3m5v7kxw2c4t6b --expires 30d
  sx share list
  sx share revoke jq3m5v7kxw2c4t6b-m2x7qa`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdCreate(f, nil), newCmdList(f, nil), newCmdRevoke(f, nil))
	return cmd
}
