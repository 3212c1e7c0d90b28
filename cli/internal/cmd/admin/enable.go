package admin

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// enableOptions are the arguments and dependencies of sx admin disable and enable.
type enableOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	Name string
	JSON bool

	change func(*client.Client, context.Context, string) (api.User, error)
	done   string // the verb in the report
}

func newCmdDisable(f *cmdutil.Factory, run func(context.Context, *enableOptions) error) *cobra.Command {
	return newCmdSetEnabled(f, run, &cobra.Command{
		Use:   "disable NAME",
		Short: "Disable an account",
		Long: `Disable an account: it can no longer sign in, and its sessions and personal
tokens end. An access token already issued remains valid for up to ten minutes,
a personal token for up to one. Its videos are kept. The last administrator
cannot be disabled.`,
		Example:           `  sx admin disable anna`,
		ValidArgsFunction: cmdutil.CompleteUsers(f, cmdutil.EnabledUser),
	}, enableOptions{change: (*client.Client).Disable, done: "Disabled"})
}

func newCmdEnable(f *cmdutil.Factory, run func(context.Context, *enableOptions) error) *cobra.Command {
	return newCmdSetEnabled(f, run, &cobra.Command{
		Use:               "enable NAME",
		Short:             "Enable a disabled account",
		Long:              `Enable a disabled account. Its personal tokens must be created again.`,
		Example:           `  sx admin enable anna`,
		ValidArgsFunction: cmdutil.CompleteUsers(f, cmdutil.DisabledUser),
	}, enableOptions{change: (*client.Client).Enable, done: "Enabled"})
}

func newCmdSetEnabled(f *cmdutil.Factory, run func(context.Context, *enableOptions) error, cmd *cobra.Command, opts enableOptions) *cobra.Command {
	if run == nil {
		run = runSetEnabled
	}
	opts.IO, opts.Client = f.IO, f.Client
	cmd.Args = cmdutil.UsageArgs(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.Name = args[0]
		return run(cmd.Context(), &opts)
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runSetEnabled(ctx context.Context, opts *enableOptions) error {
	name, err := sx.UserName(opts.Name)
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	user, err := opts.change(c, ctx, name)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(user)
	}
	return opts.IO.Printf("%s the account %s\n", opts.done, user.Name)
}
