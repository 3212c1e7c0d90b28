// Package auth is the command sx auth.
package auth

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmd/login"
	"github.com/soundextract/sx/cli/internal/cmd/logout"
	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns the command.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "See and switch the accounts that are signed in",
		Long: `See and switch the accounts that are signed in. A sign-in is kept for each
server and each account; one account of each server is in use. sx login and
sx logout are short forms.`,
		Example: `  sx auth status
  sx auth switch anna`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdStatus(f, nil), newCmdSwitch(f, nil), login.NewCmd(f, nil), logout.NewCmd(f, nil))
	return cmd
}
