package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

type inviteOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)

	Expires cmdutil.Lifetime
	JSON    bool
}

const defaultExpires = cmdutil.Lifetime(7 * 24 * time.Hour)

func newCmdInvite(f *cmdutil.Factory, run func(context.Context, *inviteOptions) error) *cobra.Command {
	opts := &inviteOptions{IO: f.IO, Client: f.Client, Config: f.Config, Expires: defaultExpires}
	if run == nil {
		run = runInvite
	}
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Create an invitation to register",
		Long: `Create an invitation and print its code, which cannot be shown again. It is
valid for one account.`,
		Example: `  sx admin invite
  sx admin invite --expires 2d`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Expires.AtMost("--expires", api.MaxInvitationLife); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().Var(&opts.Expires, "expires", "how long it is valid, such as 7d or 12h; at most 90d")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the invitation as JSON")
	return cmd
}

func runInvite(ctx context.Context, opts *inviteOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.Invite(ctx, api.NewInvitation{ExpiresIn: opts.Expires.Seconds()})
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(made)
	}
	if err := opts.IO.Printf("%s\n", made.Code); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "Valid for one account until %s. Pass it on; this command asks for it:\n  %s\n",
		made.Expires.Local().Format(time.DateTime), flagsForOthers(cfg).SX("register", "NAME", "--invitation"))
	return nil
}

// flagsForOthers returns the flags of a command that another person runs, whose sx uses
// another server by default. A server behind a tunnel has no address that others could
// use.
func flagsForOthers(cfg *config.Config) nextcmd.Flags {
	var flags nextcmd.Flags
	if cfg.Kubernetes == (config.Kubernetes{}) {
		flags = flags.Keep("--server", cfg.Server, "")
	}
	return flags
}
