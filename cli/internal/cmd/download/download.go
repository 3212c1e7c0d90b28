// Package download is the command sx download.
package download

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx download.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)
	Flags  func() nextcmd.Flags

	IDs    []string
	All    bool   // all finished jobs, instead of IDs
	Output string // a file, a directory, or "-" for the output stream; "" is the current directory
	Force  bool
	JSON   bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runDownload
	}
	cmd := &cobra.Command{
		Use:   "download {ID... | --all}",
		Short: "Download the MP3s of finished jobs",
		Long: `Download the MP3s of finished jobs. They are named after the videos.

After an interruption, run the same command again: it continues where it
stopped. Each MP3 is written to a temporary file, verified and renamed. Existing
files are not overwritten without --force.`,
		Example: `  sx download cv3x5k2tq7na4m6b
  sx download cv3x5k2tq7na4m6b -o talk.mp3
  sx download cv3x5k2tq7na4m6b -o - | mpv -
  sx download --all -o music/`,
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateDone),
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.Output, "output", "o", "", "write to `FILE`, or into a directory; - is standard output")
	flags.BoolVar(&opts.All, "all", false, "download all finished jobs; skip MP3s that exist")
	flags.BoolVar(&opts.Force, "force", false, "overwrite existing files")
	flags.BoolVar(&opts.JSON, "json", false, "print one JSON object for each MP3")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, id := range args {
			if !slices.Contains(opts.IDs, id) {
				opts.IDs = append(opts.IDs, id)
			}
		}
		switch {
		case opts.All && len(args) > 0:
			return cmdutil.UsageErrorf("give either job IDs or --all")
		case !opts.All && len(args) == 0:
			return cmdutil.UsageErrorf("job ID required").
				WithHint("list jobs with: %s; or download all with: %s", f.Next("jobs"), f.Next("download", "--all"))
		case opts.Output == "-" && (opts.All || len(opts.IDs) > 1):
			return cmdutil.UsageErrorf("only one MP3 can be written to standard output")
		case opts.Output == "-" && opts.JSON:
			return cmdutil.UsageErrorf("--json and -o - are mutually exclusive: both write to standard output")
		}
		return run(cmd.Context(), opts)
	}
	return cmd
}

// target is a job to download, or the error of looking it up.
type target struct {
	id  string
	job api.Job
	err error
}

func (w target) name() string {
	if w.job.Name == "" {
		return w.id
	}
	return w.job.Name
}

func runDownload(ctx context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	display := term.NewProgressDisplay(opts.IO)
	defer display.Close()
	policy := &transfer.Policy{Timeout: cfg.RetryTimeout}
	jobs, err := opts.jobs(ctx, c, policy, display)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		display.Say("no finished jobs")
		return nil
	}
	fetcher := &transfer.Downloader{API: c, Policy: policy, StateDir: cfg.StateDir, Force: opts.Force}
	targets := &transfer.Targets{}
	if opts.Output != "-" {
		if targets, err = transfer.NewTargets(opts.Output, opts.All || len(jobs) > 1); err != nil {
			return err
		}
	}
	printer := transfer.ResultPrinter{Out: display.Out(), TTY: opts.IO.OutTTY, JSON: opts.JSON}
	items := make([]transfer.Item, len(jobs))
	for i, w := range jobs {
		var size int64
		if w.job.Track(1) != nil {
			size = w.job.Track(1).Size
		}
		bar := display.Add(w.name(), size, 1)
		path := ""
		if w.err == nil && opts.Output != "-" {
			path = targets.Path(w.job.Name)
		}
		items[i] = transfer.Item{Name: w.name(), Bar: bar, Do: func(ctx context.Context) error {
			if w.err != nil {
				return w.err
			}
			if opts.Output == "-" {
				return stream(ctx, fetcher, w.job, opts.IO, bar)
			}
			return file(ctx, fetcher, w.job, path, bar, printer)
		}}
	}
	return transfer.RunBatch(ctx, items, cfg.Parallel, opts.Flags())
}

func stream(ctx context.Context, fetcher *transfer.Downloader, job api.Job, io *term.IOStreams, bar *term.ProgressBar) error {
	if io.OutTTY {
		return cmdutil.UsageErrorf("refusing to write MP3 data to a terminal").WithHint("pipe the output, or name a file with -o")
	}
	if err := fetcher.Stream(ctx, job, io.Out, bar); err != nil {
		return err
	}
	bar.Done("downloaded")
	transfer.SayWarnings(bar, job)
	return nil
}

func file(ctx context.Context, fetcher *transfer.Downloader, job api.Job, path string, bar *term.ProgressBar, printer transfer.ResultPrinter) error {
	exists, err := fetcher.File(ctx, job, path, bar)
	if err != nil {
		return err
	}
	if exists {
		bar.Done("already downloaded")
	} else {
		bar.Done("downloaded")
	}
	transfer.SayWarnings(bar, job)
	return printer.Print(transfer.ResultOf(job, path))
}

// jobs returns the jobs to download. Of jobs with the same name, the first one gets it
// unchanged.
func (opts *Options) jobs(ctx context.Context, c *client.Client, policy *transfer.Policy, display *term.ProgressDisplay) (jobs []target, err error) {
	retry := policy.Start(display)
	if opts.All {
		return jobs, retry.Do(ctx, func(ctx context.Context) error {
			done, err := transfer.AllJobs(ctx, c, sx.StateDone)
			jobs = make([]target, len(done))
			for i, job := range done {
				jobs[i] = target{id: job.ID, job: job}
			}
			return err
		})
	}
	for _, id := range opts.IDs {
		w := target{id: id}
		w.err = retry.Do(ctx, func(ctx context.Context) (err error) {
			w.job, err = c.Job(ctx, id)
			return err
		})
		if w.err != nil && sx.CodeOf(w.err) != sx.CodeNotFound {
			return nil, w.err
		}
		jobs = append(jobs, w)
	}
	return jobs, nil
}
