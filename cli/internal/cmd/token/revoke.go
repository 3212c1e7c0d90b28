package token

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type revokeOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Token string // its name or id
	JSON  bool
}

func newCmdRevoke(f *cmdutil.Factory, run func(context.Context, *revokeOptions) error) *cobra.Command {
	opts := &revokeOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runRevoke
	}
	cmd := &cobra.Command{
		Use:               "revoke NAME|ID",
		Short:             "Revoke a personal token",
		Long:              `Revoke a personal token. Servers refuse it within a minute.`,
		Example:           `  sx token revoke backup`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteTokens(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Token = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the revoked token as JSON")
	return cmd
}

func runRevoke(ctx context.Context, opts *revokeOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	list, err := c.PersonalTokens(ctx)
	if err != nil {
		return err
	}
	found, ok := cmdutil.ByIDOrName(list.Tokens, opts.Token, func(v api.PersonalToken) (id, name string) { return v.ID, v.Name })
	if !ok {
		return sx.NewError(sx.CodeNotFound, "token %q not found", opts.Token).
			WithHint("list your tokens with: %s", opts.Next("token", "list"))
	}
	if err := c.RevokeToken(ctx, found.ID); err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found)
	}
	return opts.IO.Printf("Revoked the token %s\n", found.Name)
}
