package feed

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

type createOptions struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Name   string
	Label  string
	Folder string
	JSON   bool
}

// created is what --json prints: the address of the feed in place of its path.
type created struct {
	api.Feed

	URL string `json:"url"`
}

func newCmdCreate(f *cmdutil.Factory, run func(context.Context, *createOptions) error) *cobra.Command {
	opts := &createOptions{IO: f.IO, Config: f.Config, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runCreate
	}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a podcast feed of your newest MP3s",
		Long: `Create a podcast feed and print its address, which cannot be shown again. The
feed lists your 100 newest MP3s, or those that --label and --folder select: jobs
with the label, and videos whose name begins with the folder, as that of
talks/2026/a.mp4 does with talks.

The address begins with the URL of the server as sx uses it: that must be one
that the podcast app can reach, too. A feed that is revoked and created again
under the same name has another address; apps know its MP3s again.`,
		Example: `  sx feed create "My recordings"
  sx feed create "Staff talks" --label talks
  sx feed create "Lectures 2026" --folder lectures/2026`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Label, "label", "", "show only jobs with this `LABEL`")
	cmd.Flags().StringVar(&opts.Folder, "folder", "", "show only videos in this `FOLDER`")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the feed as JSON")
	_ = cmd.RegisterFlagCompletionFunc("label", cmdutil.CompleteLabels(f))
	_ = cmd.RegisterFlagCompletionFunc("folder", cobra.NoFileCompletions)
	return cmd
}

func runCreate(ctx context.Context, opts *createOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.CreateFeed(ctx, api.NewFeed{Name: opts.Name, Label: opts.Label, Folder: opts.Folder, Server: cfg.Server})
	if err != nil {
		return err
	}
	address := strings.TrimSuffix(made.Server, "/") + made.Path
	if opts.JSON {
		return opts.IO.WriteJSON(created{made.Feed, address})
	}
	if err := opts.IO.Printf("%s\n", address); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "The address of the feed cannot be shown again.\n"+
		"next: add it to a podcast app as a feed by its URL\n"+
		"      or revoke it: %s\n", opts.Next("feed", "revoke", made.Name))
	return nil
}
