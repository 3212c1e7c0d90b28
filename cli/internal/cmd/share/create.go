package share

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type createOptions struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Job     string
	Expires cmdutil.Lifetime
	JSON    bool
}

// created is what --json prints: the link in place of its path.
type created struct {
	api.Share

	URL string `json:"url"`
}

func newCmdCreate(f *cmdutil.Factory, run func(context.Context, *createOptions) error) *cobra.Command {
	opts := &createOptions{IO: f.IO, Config: f.Config, Client: f.Client, Next: f.Next, Expires: cmdutil.Lifetime(api.DefaultShareLife)}
	if run == nil {
		run = runCreate
	}
	cmd := &cobra.Command{
		Use:   "create JOB",
		Short: "Create a link to the MP3 of a job",
		Long: `Create a link to the MP3 of a job and print it. It cannot be shown again.

The link begins with the URL of the server as sx uses it: that must be one that
others can reach, too.`,
		Example: `  sx share create jq3m5v7kxw2c4t6b
  sx share create jq3m5v7kxw2c4t6b --expires 12h`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateDone),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Job = args[0]
			if err := opts.Expires.AtMost("--expires", api.MaxShareLife); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().Var(&opts.Expires, "expires", "how long it is valid, such as 30d or 12h; at most 366d")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the link as JSON")
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
	job, err := cmdutil.FindJob(ctx, c, opts.Job)
	if err != nil {
		return err
	}
	made, err := c.CreateShare(ctx, job, api.NewShare{ExpiresIn: opts.Expires.Seconds()})
	if err != nil {
		return err
	}
	link := strings.TrimSuffix(cfg.Server, "/") + made.Path
	if opts.JSON {
		return opts.IO.WriteJSON(created{made.Share, link})
	}
	if err := opts.IO.Printf("%s\n", link); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "The link is valid until %s and cannot be shown again.\n"+
		"next: send it to those who should get the MP3\n"+
		"      or revoke it: %s\n", made.Expires.Local().Format(time.DateOnly), opts.Next("share", "revoke", made.ID))
	return nil
}
