package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type resetOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)

	Name string
	JSON bool
}

func newCmdReset(f *cmdutil.Factory, run func(context.Context, *resetOptions) error) *cobra.Command {
	opts := &resetOptions{IO: f.IO, Client: f.Client, Config: f.Config}
	if run == nil {
		run = runReset
	}
	cmd := &cobra.Command{
		Use:   "reset-password NAME",
		Short: "Create a code for a forgotten password",
		Long: `Create a code with which the account's user can set a new password, and print
it; it cannot be shown again. It is valid once, for a day, and replaces an
earlier one. Until it is used, the old password and all sessions stay valid.

An administrator who has forgotten their password gets a code from another one.
The owner of a local server can always set a new password with: sx passwd
In a cluster, the Helm value auth.admin can name another administrator.`,
		Example:           `  sx admin reset-password anna`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteUsers(f, cmdutil.EnabledUser),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the code as JSON")
	return cmd
}

func runReset(ctx context.Context, opts *resetOptions) error {
	name, err := sx.UserName(opts.Name)
	if err != nil {
		return err
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.ResetPassword(ctx, name)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(made)
	}
	if err := opts.IO.Printf("%s\n", made.Code); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "Valid once until %s. Give it to %s; this command asks for it and for a new password:\n  %s\n",
		made.Expires.Local().Format(time.DateTime), name, flagsForOthers(cfg).SX("login", "--code"))
	return nil
}
