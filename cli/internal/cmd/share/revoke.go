package share

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type revokeOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	ID   string
	JSON bool
}

func newCmdRevoke(f *cmdutil.Factory, run func(context.Context, *revokeOptions) error) *cobra.Command {
	opts := &revokeOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runRevoke
	}
	cmd := &cobra.Command{
		Use:               "revoke ID",
		Short:             "Revoke a link",
		Long:              `Revoke a link. It stops working at once. sx share list shows the IDs of links.`,
		Example:           `  sx share revoke jq3m5v7kxw2c4t6b-m2x7qa`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteShares(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.ID = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the ID of the revoked link as JSON")
	return cmd
}

func runRevoke(ctx context.Context, opts *revokeOptions) error {
	notFound := sx.NewError(sx.CodeNotFound, "link %q not found", opts.ID).WithHint("list your links with: %s", opts.Next("share", "list"))
	job, _, ok := strings.Cut(opts.ID, "-") // the ID of a link begins with that of its job
	if !ok {
		return notFound
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	if err := c.RevokeShare(ctx, job, opts.ID); err != nil {
		if sx.CodeOf(err) == sx.CodeNotFound {
			return notFound
		}
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			ID string `json:"id"`
		}{opts.ID})
	}
	return opts.IO.Printf("Revoked the link %s\n", opts.ID)
}
