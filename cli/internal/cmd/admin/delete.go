package admin

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

type deleteOptions struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)

	Name string
	Yes  bool
	JSON bool
}

func newCmdDelete(f *cmdutil.Factory, run func(context.Context, *deleteOptions) error) *cobra.Command {
	opts := &deleteOptions{IO: f.IO, Account: f.Account}
	if run == nil {
		run = runDelete
	}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an account and everything stored for it",
		Long: `Delete an account and everything stored for it: videos, MP3s, jobs, the records
of what was converted, notification settings, sessions and personal tokens. This
cannot be undone; sx admin disable can.

Asks for the account's name for confirmation; if it cannot ask, --yes is
required.

The account can no longer sign in, and its sessions and personal tokens end. An
access token already issued remains valid for up to ten minutes, a personal
token for up to one. The data is deleted in the background, and the name can be
registered again once that is done, about a quarter of an hour later at the
earliest. The audit log keeps the name. The last administrator and the owner of
a local server cannot be deleted.`,
		Example: `  sx admin delete anna
  sx admin delete anna --yes`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteUsers(f, cmdutil.AnyUser),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the deletion as JSON")
	return cmd
}

func runDelete(ctx context.Context, opts *deleteOptions) error {
	name, err := sx.UserName(opts.Name)
	if err != nil {
		return err
	}
	if err := cmdutil.CanConfirmDeletion(opts.IO, opts.Yes); err != nil {
		return err
	}
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	if own, err := acct.InUse(); err == nil && own == name {
		return nextcmd.WithHint(sx.NewError(sx.CodeConflict, "%s is your own account", name),
			"delete it with: %s", nextcmd.Command{"account", "delete"})
	}
	if !opts.Yes {
		if err := cmdutil.ConfirmDeletion(ctx, opts.IO, name, acct.Server()); err != nil {
			return err
		}
	}
	c, err := acct.Client()
	if err != nil {
		return err
	}
	out, err := c.DeleteUser(ctx, name)
	if err != nil {
		return err
	}
	return cmdutil.PrintDeletion(opts.IO, out, opts.JSON)
}
