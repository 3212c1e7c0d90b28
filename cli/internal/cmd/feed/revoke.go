package feed

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

	Feed string // its name or id
	JSON bool
}

func newCmdRevoke(f *cmdutil.Factory, run func(context.Context, *revokeOptions) error) *cobra.Command {
	opts := &revokeOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runRevoke
	}
	cmd := &cobra.Command{
		Use:               "revoke NAME|ID",
		Short:             "Revoke a podcast feed",
		Long:              `Revoke a podcast feed. Its address stops working at once.`,
		Example:           `  sx feed revoke "Staff talks"`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteFeeds(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Feed = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the revoked feed as JSON")
	return cmd
}

func runRevoke(ctx context.Context, opts *revokeOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	list, err := c.Feeds(ctx)
	if err != nil {
		return err
	}
	found, ok := cmdutil.ByIDOrName(list.Feeds, opts.Feed, func(v api.Feed) (id, name string) { return v.ID, v.Name })
	if !ok {
		return sx.NewError(sx.CodeNotFound, "feed %q not found", opts.Feed).
			WithHint("list your feeds with: %s", opts.Next("feed", "list"))
	}
	if err := c.RevokeFeed(ctx, found.ID); err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found)
	}
	return opts.IO.Printf("Revoked the feed %s\n", found.Name)
}
