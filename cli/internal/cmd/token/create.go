package token

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type createOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Name    string
	Expires cmdutil.Lifetime
	JSON    bool
}

const defaultExpires = cmdutil.Lifetime(90 * 24 * time.Hour)

func newCmdCreate(f *cmdutil.Factory, run func(context.Context, *createOptions) error) *cobra.Command {
	opts := &createOptions{IO: f.IO, Client: f.Client, Next: f.Next, Expires: defaultExpires}
	if run == nil {
		run = runCreate
	}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a personal token",
		Long: `Create a personal token and print it. It cannot be shown again. The name helps
you tell your tokens apart.`,
		Example: `  sx token create backup
  SX_TOKEN=$(sx token create nightly --expires 7d) sx upload talk.mp4`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if err := opts.Expires.AtMost("--expires", api.MaxTokenLife); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().Var(&opts.Expires, "expires", "how long it is valid, such as 90d or 12h; at most 366d")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the token as JSON")
	return cmd
}

func runCreate(ctx context.Context, opts *createOptions) error {
	if err := sx.TokenName(opts.Name); err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.CreateToken(ctx, api.NewToken{Name: opts.Name, ExpiresIn: opts.Expires.Seconds()})
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(made)
	}
	if err := opts.IO.Printf("%s\n", made.Token); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "The token is valid until %s and cannot be shown again.\n"+
		"next: pass it in SX_TOKEN\n"+
		"      or revoke it: %s\n", made.Expires.Local().Format(time.DateOnly), opts.Next("token", "revoke", made.Name))
	return nil
}
