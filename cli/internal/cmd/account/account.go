// Package account is the command sx account.
package account

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns the command.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Delete your account",
		Long: `Delete your account. To change its password, use sx passwd. To link it with
your organisation's sign-in, use sx open and the page Account.`,
		Example: `  sx account delete`,
		Args:    cmdutil.RequireSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdDelete(f, nil))
	return cmd
}
