// Package whoami is the command sx whoami.
package whoami

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
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
		Use:   "whoami",
		Short: "Show the signed-in account",
		Long: `Show the account that is signed in: its server and its role, how long the
sign-in or the token is valid, how much of its quota is used, and how long its
data is kept after a job ends.`,
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
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	usage, err := c.Usage(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			api.Me
			Server string    `json:"server"`
			Usage  api.Usage `json:"usage"`
		}{me, cfg.Server, usage})
	}
	role := "user"
	if me.Admin {
		role = "administrator"
	}
	return opts.IO.Printf("%s at %s\nrole      %s\n%s\n%s",
		me.Name, cfg.Server, role, credential(me.Credential), describe(usage))
}

// describe returns lines about the storage in use, about what else is limited, and about
// how long data is kept.
func describe(u api.Usage) string {
	stored := sx.FormatSize(u.Bytes) + " used"
	if limit := u.Limits.Bytes; limit != nil && *limit > 0 {
		stored = fmt.Sprintf("%s of %s used", sx.FormatSize(u.Bytes), sx.FormatSize(*limit))
	}
	text := "storage   " + stored + "\n"
	if limit := u.Limits.Uploads; limit != nil && *limit > 0 && u.Uploads > 0 {
		text += fmt.Sprintf("uploads   %d of %d unfinished\n", u.Uploads, *limit)
	}
	if limit := u.Limits.JobsPerDay; limit != nil && *limit > 0 {
		text += fmt.Sprintf("today     %d of %d jobs created (days begin at midnight UTC)\n", u.Today, *limit)
	}
	return text + fmt.Sprintf("kept      videos %s, failed jobs %s, MP3s %s\n", kept(u.Limits.KeepVideos), kept(u.Limits.KeepFailed), kept(u.Limits.KeepTracks))
}

// kept describes a retention period.
func kept(seconds *int64) string {
	if seconds == nil {
		return "forever"
	}
	return cmdutil.FormatKept(*seconds)
}

func credential(c api.Credential) string {
	if c.Kind == api.CredentialOwner {
		return "sign-in   by the owner's token, as long as the local server runs"
	}
	until := c.Expires.Local().Format(time.DateOnly)
	switch {
	case c.Kind == api.CredentialToken:
		return fmt.Sprintf("token     %s, until %s", c.Name, until)
	case c.Fixed:
		return "sign-in   through your organisation, until " + c.Expires.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("sign-in   until %s, or longer if it is used before", until)
}
