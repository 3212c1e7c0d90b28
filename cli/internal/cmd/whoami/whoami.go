// Package whoami is the command sx whoami.
package whoami

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

// Options are the flags, arguments and dependencies of sx whoami.
type Options struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)
	Client func() (*client.Client, error)

	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Client: f.Client}
	if run == nil {
		run = runWhoami
	}
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Show the signed-in account",
		Example: `  sx whoami`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runWhoami(ctx context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	user, err := c.Me(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			api.User
			Server string `json:"server"`
		}{user, cfg.Server})
	}
	if _, err := fmt.Fprintf(opts.IO.Out, "%s at %s\n", user.Name, cfg.Server); err != nil {
		return fmt.Errorf("print the account: %w", err)
	}
	return nil
}
