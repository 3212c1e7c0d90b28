// Package download is the command sx download.
package download

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/knownfiles"
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

	IDs       []string // or file names
	All       bool     // all finished jobs, instead of IDs
	Output    string   // a file, a directory, or "-" for the output stream; "" is the current directory
	Flat      bool     // write all MP3s into one directory
	Force     bool
	Bandwidth string // a limit, as bandwidth.New takes it
	DryRun    bool
	JSON      bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runDownload
	}
	cmd := &cobra.Command{
		Use:   "download {JOB... | --all}",
		Short: "Download the MP3s of finished jobs",
		Long: `Download the MP3s of finished jobs. They are named after the videos, with their
subdirectories. Several MP3s of one video are in a directory with its name.

After an interruption, run the same command again: it continues where it
stopped. Each MP3 is written to a temporary file, verified and renamed. Existing
files are not overwritten without --force. --all recognises by content what is
in the directory already, and gives each job a file of its own.`,
		Example: `  sx download cv3x5k2tq7na4m6b
  sx download cv3x5k2tq7na4m6b -o talk.mp3
  sx download cv3x5k2tq7na4m6b -o - | mpv -
  sx download --all -o music/`,
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateDone),
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.Output, "output", "o", "", "write to `FILE`, or into a directory; - is standard output")
	flags.BoolVar(&opts.All, "all", false, "download all finished jobs that are not there yet")
	flags.BoolVar(&opts.Flat, "flat", false, "write all MP3s into one directory")
	flags.BoolVar(&opts.Force, "force", false, "overwrite existing files")
	flags.BoolVar(&opts.JSON, "json", false, "print one JSON object for each MP3")
	cmdutil.AddBandwidthFlag(cmd, &opts.Bandwidth)
	cmdutil.AddDryRunFlag(cmd, &opts.DryRun)
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
	limit, err := bandwidth.New(opts.Bandwidth)
	if err != nil {
		return err
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	if opts.Output == "" && cfg.Output != "" {
		opts.Output = cfg.Output + string(filepath.Separator)
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
	d := &downloader{
		Options: opts,
		fetcher: &transfer.Downloader{API: c, Policy: policy, StateDir: cfg.StateDir, Force: opts.Force, Limit: limit},
		records: knownfiles.Open(cfg.StateDir),
		printer: transfer.ResultPrinter{Display: display, TTY: opts.IO.OutTTY, JSON: opts.JSON},
	}
	several := len(jobs) > 1 || slices.ContainsFunc(jobs, func(w target) bool { return len(w.job.Tracks) > 1 })
	if err := d.open(several); err != nil {
		return err
	}
	items := make([]transfer.Item, len(jobs))
	for i, w := range jobs {
		var size int64
		for _, t := range w.job.Tracks {
			size += t.Size
		}
		bar := display.Add(w.name(), size)
		do := d.plan(ctx, w, bar)
		items[i] = transfer.Item{Name: w.name(), Bar: bar, Do: func(ctx context.Context) error {
			defer d.records.SaveSometimes(ctx)
			return do(ctx)
		}}
	}
	err = transfer.RunBatch(ctx, items, cfg.Parallel, opts.Flags())
	// Also after Ctrl-C. If it fails, the next run reads the files again.
	_ = d.records.Save(context.WithoutCancel(ctx))
	return err
}

// jobs returns the jobs to download. Of several jobs with the same name, the first one
// keeps it unchanged.
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
			if w.id, err = cmdutil.FindJob(ctx, c, id); err == nil {
				w.job, err = c.Job(ctx, w.id)
			}
			return err
		})
		if code := sx.CodeOf(w.err); w.err != nil && code != sx.CodeNotFound && code != sx.CodeConflict {
			return nil, w.err
		}
		jobs = append(jobs, w)
	}
	return jobs, nil
}
