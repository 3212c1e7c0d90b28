// Package secrets holds the commands sx secrets …
package secrets

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
)

// NewCmd makes the command with those below it.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Change an installation's secrets",
		Long: `The secrets of an installation (signing keys, passwords of RabbitMQ and MongoDB)
are made by sx install, once, and kept in the cluster beside the release.`,
		Example: "  sx secrets rotate all",
		Args:    cmdutil.RequireSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdRotate(f, nil))
	return cmd
}
