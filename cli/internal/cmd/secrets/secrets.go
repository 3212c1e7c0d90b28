// Package secrets holds the commands sx secrets …
package secrets

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd returns the command with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Manage an installation's secrets",
		Long: `Manage the secrets of an installation: its signing keys and the passwords of
RabbitMQ and MongoDB. sx install generates them once and keeps them in the
cluster.`,
		Example: "  sx secrets rotate all",
		Args:    cmdutil.RequireSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(NewCmdRotate(f, nil), NewCmdGenerate(f, nil))
	return cmd
}
