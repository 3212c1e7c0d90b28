package admin

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// limitsOptions are the arguments and dependencies of sx admin set-quota and
// set-retention.
type limitsOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	Name string
	Edit api.LimitsEdit
	JSON bool
}

// limitFlag is a flag for one limit of an account.
type limitFlag struct {
	name  string
	usage string
	limit api.LimitName
	set   func(l *api.Limits, text string) error
}

// serversOwn is the value of a limit's flag that restores the server's limit.
const serversOwn = "default"

func newCmdSetQuota(f *cmdutil.Factory, run func(context.Context, *limitsOptions) error) *cobra.Command {
	return newCmdSetLimits(f, run, &cobra.Command{
		Use:   "set-quota NAME",
		Short: "Set what an account may use",
		Long: `Set what an account may use, in place of the server's settings: the storage of
its videos and MP3s, how many uploads it may have unfinished, and how many jobs
it may create on a day, which begins at midnight UTC. 0 means no limit, default
the server's setting. What is not specified stays as it is.`,
		Example: `  sx admin set-quota anna --bytes 50GiB --uploads 10 --jobs-per-day 200
  sx admin set-quota anna --bytes default`,
	}, []limitFlag{
		{"bytes", "storage: a `SIZE` such as 50GiB, 0 or default", api.LimitBytes, func(l *api.Limits, text string) error {
			n, err := sx.ParseSize(text)
			l.Bytes = &n
			return err
		}},
		{"uploads", "unfinished uploads: a `NUMBER`, 0 or default", api.LimitUploads, func(l *api.Limits, text string) (err error) {
			l.Uploads, err = parseCount(text)
			return err
		}},
		{"jobs-per-day", "jobs created on a UTC day: a `NUMBER`, 0 or default", api.LimitJobsPerDay, func(l *api.Limits, text string) (err error) {
			l.JobsPerDay, err = parseCount(text)
			return err
		}},
	})
}

func newCmdSetRetention(f *cmdutil.Factory, run func(context.Context, *limitsOptions) error) *cobra.Command {
	return newCmdSetLimits(f, run, &cobra.Command{
		Use:   "set-retention NAME",
		Short: "Set how long the data of an account is kept",
		Long: `Set how long the data of an account is kept, in place of the server's settings.
The periods begin when a job ends, and apply to existing jobs too. default means
the server's setting. What is not specified stays as it is. MP3s are deleted no
earlier than a day after the account was notified.`,
		Example: `  sx admin set-retention anna --keep-videos 7d --keep-tracks forever
  sx admin set-retention anna --keep-failed default`,
	}, []limitFlag{
		{"keep-videos", "videos of finished jobs: a `TIME` such as 7d, forever or default", api.LimitKeepVideos, func(l *api.Limits, text string) (err error) {
			l.KeepVideos, err = parsePeriod(text)
			return err
		}},
		{"keep-failed", "failed jobs with their videos: a `TIME` such as 30d, forever or default", api.LimitKeepFailed, func(l *api.Limits, text string) (err error) {
			l.KeepFailed, err = parsePeriod(text)
			return err
		}},
		{"keep-tracks", "MP3s with their jobs: a `TIME` such as 90d, forever or default", api.LimitKeepTracks, func(l *api.Limits, text string) (err error) {
			l.KeepTracks, err = parsePeriod(text)
			return err
		}},
	})
}

func newCmdSetLimits(f *cmdutil.Factory, run func(context.Context, *limitsOptions) error, cmd *cobra.Command, flags []limitFlag) *cobra.Command {
	opts := &limitsOptions{IO: f.IO, Client: f.Client}
	if run == nil {
		run = runSetLimits
	}
	texts := make([]string, len(flags))
	for i, flag := range flags {
		cmd.Flags().StringVar(&texts[i], flag.name, "", flag.usage)
	}
	cmd.Args = cmdutil.UsageArgs(cobra.ExactArgs(1))
	cmd.ValidArgsFunction = cmdutil.CompleteUsers(f, cmdutil.EnabledUser)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.Name = args[0]
		specified := false
		for i, flag := range flags {
			if !cmd.Flags().Changed(flag.name) {
				continue
			}
			specified = true
			if texts[i] == serversOwn {
				opts.Edit.Reset = append(opts.Edit.Reset, flag.limit)
				continue
			}
			if err := flag.set(&opts.Edit.Limits, texts[i]); err != nil {
				return cmdutil.UsageErrorf("invalid --%s: %v", flag.name, err)
			}
		}
		if !specified {
			return cmdutil.UsageErrorf("no limit is specified").WithHint("use at least one of the flags --%s, --%s and --%s", flags[0].name, flags[1].name, flags[2].name)
		}
		return run(cmd.Context(), opts)
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func parseCount(text string) (*int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q is not a number such as 10", text)
	}
	return &n, nil
}

// parsePeriod returns a period in seconds.
func parsePeriod(text string) (*int64, error) {
	var n int64
	if text == "forever" {
		return &n, nil
	}
	d, err := sx.ParsePeriod(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a time such as 30d or 12h", text)
	case d > sx.MaxPeriod:
		return nil, fmt.Errorf("%s is longer than 100 years", text)
	}
	n = int64(d / time.Second)
	return &n, nil
}

func runSetLimits(ctx context.Context, opts *limitsOptions) error {
	name, err := sx.UserName(opts.Name)
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	account, err := c.EditLimits(ctx, name, opts.Edit)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(account)
	}
	own := cmp.Or(describeLimits(account.Limits), "those of the server")
	return opts.IO.Printf("Limits of %s: %s\n", account.Name, own)
}

// describeLimits returns the limits that are set; "" if none is.
func describeLimits(l *api.Limits) string {
	if l == nil {
		return ""
	}
	var parts []string
	if l.Bytes != nil {
		size := "unlimited"
		if *l.Bytes > 0 {
			size = sx.FormatExactSize(*l.Bytes)
		}
		parts = append(parts, size+" storage")
	}
	parts = appendCount(parts, l.Uploads, "uploads")
	parts = appendCount(parts, l.JobsPerDay, "jobs a day")
	for _, period := range []struct {
		what    string
		seconds *int64
	}{{"videos", l.KeepVideos}, {"failed jobs", l.KeepFailed}, {"MP3s", l.KeepTracks}} {
		if period.seconds != nil {
			parts = append(parts, "keep "+period.what+" "+cmdutil.FormatKept(*period.seconds))
		}
	}
	return strings.Join(parts, ", ")
}

func appendCount(parts []string, n *int, what string) []string {
	switch {
	case n == nil:
		return parts
	case *n == 0:
		return append(parts, "unlimited "+what)
	default:
		return append(parts, strconv.Itoa(*n)+" "+what)
	}
}
