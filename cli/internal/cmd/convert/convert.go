// Package convert is the command sx convert.
package convert

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx convert.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)
	Flags  func() nextcmd.Flags

	Args     []string // files, directories and patterns
	Encoding sx.Options
	Output   string // a file, a directory, or "-" for the output stream; "" is the current directory
	Force    bool
	Parallel int // how many files at once; 0 is as configured
	JSON     bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runConvert
	}
	cmd := &cobra.Command{
		Use:   "convert {FILE | DIR | GLOB}...",
		Short: "Convert videos to MP3: upload, wait and download",
		Long: `Upload videos, wait for their conversion and download the MP3s. They are named
after the videos and written to the current directory unless -o is given.

For a directory, all media files below it are converted, except hidden files and
MP3s. After an interruption, run the same command again: it continues the
upload, the conversion or the download where it stopped.`,
		Example: `  sx convert talk.mp4
  sx convert talk.mp4 -o sound/talk.mp3
  sx convert --preset speech lectures/ -o mp3s/
  sx convert talk.mp4 -o - | mpv -`,
		Args: cmdutil.AtLeastOne("file, directory or pattern"),
	}
	encoding := cmdutil.AddEncodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&opts.Output, "output", "o", "", "write to `FILE`, or into a directory; - is standard output")
	flags.BoolVar(&opts.Force, "force", false, "overwrite existing files")
	flags.IntVar(&opts.Parallel, "parallel", 0, "process `N` files at once (default: as configured)")
	flags.BoolVar(&opts.JSON, "json", false, "print one JSON object for each MP3")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		opts.Args = args
		switch {
		case flags.Changed("parallel") && opts.Parallel < 1:
			return cmdutil.UsageErrorf("--parallel must be at least 1")
		case opts.Output == "-" && opts.JSON:
			return cmdutil.UsageErrorf("--json and -o - are mutually exclusive: both write to standard output")
		case opts.Output == "-" && opts.IO.OutTTY:
			return cmdutil.UsageErrorf("refusing to write MP3 data to a terminal").WithHint("pipe the output, or name a file with -o")
		}
		if opts.Encoding, err = encoding(); err != nil {
			return err
		}
		return run(cmd.Context(), opts)
	}
	return cmd
}

func runConvert(ctx context.Context, opts *Options) error {
	files, err := mediafiles.Find(opts.Args)
	if err != nil {
		return err
	}
	if opts.Output == "-" && len(files) > 1 {
		return cmdutil.UsageErrorf("only one MP3 can be written to standard output")
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	policy := &transfer.Policy{Timeout: cfg.RetryTimeout}
	v := &converter{
		Options: opts, api: c, policy: policy,
		uploader: &transfer.Uploader{
			API: c, Policy: policy,
			Records: transfer.UploadRecords{Dir: filepath.Join(cfg.StateDir, "uploads"), Account: cfg.Account},
		},
		fetcher: &transfer.Downloader{API: c, Policy: policy, StateDir: cfg.StateDir, Force: opts.Force},
	}
	paths, err := v.paths(files)
	if err != nil {
		return err
	}
	display := term.NewProgressDisplay(opts.IO)
	defer display.Close()
	v.printer = transfer.ResultPrinter{Out: display.Out(), TTY: opts.IO.OutTTY, JSON: opts.JSON}
	items := make([]transfer.Item, len(files))
	sent := make([]*transfer.Uploaded, len(files))
	var total int64
	for i, f := range files {
		total += f.Size
		bar := display.Add(f.Name, f.Size, phases)
		items[i] = transfer.Item{Name: f.Name, Bar: bar, Do: func(ctx context.Context) (err error) {
			sent[i], err = v.convertFile(ctx, f, paths[i], bar)
			return err
		}}
	}
	if len(files) > 1 {
		display.Say(fmt.Sprintf("%d files, %s", len(files), sx.FormatSize(total)))
	}
	parallel := opts.Parallel
	if parallel == 0 {
		parallel = cfg.Parallel
	}
	if err := transfer.RunBatch(ctx, items, parallel, opts.Flags()); err != nil {
		return err // the records stay, so the same command skips what is done
	}
	for _, s := range sent {
		s.Forget()
	}
	return nil
}

// phases is the number of phases of a file: uploading, verifying, queued,
// converting, downloading.
const phases = 5

type converter struct {
	*Options
	api      *client.Client
	policy   *transfer.Policy
	uploader *transfer.Uploader
	fetcher  *transfer.Downloader
	printer  transfer.ResultPrinter
}

// paths returns the path of each MP3. It reports targets that cannot be written before
// anything is uploaded.
func (v *converter) paths(files []mediafiles.File) ([]string, error) {
	paths := make([]string, len(files))
	if v.Output == "-" {
		return paths, nil
	}
	targets, err := transfer.NewTargets(v.Output, len(files) > 1)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i, f := range files {
		paths[i] = targets.Path(f.Name)
		err := v.fetcher.CheckTarget(paths[i])
		// An existing file may be the result of an earlier run that was interrupted:
		// the digests will tell.
		if err != nil && !v.uploader.Started(f, v.Encoding) {
			problems = append(problems, err)
		}
	}
	return paths, errors.Join(problems...)
}

// convertFile uploads a file, waits for its conversion and downloads the MP3.
func (v *converter) convertFile(ctx context.Context, f mediafiles.File, path string, bar *term.ProgressBar) (*transfer.Uploaded, error) {
	sent, err := v.uploader.Upload(ctx, f, v.Encoding, bar)
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	job, err := v.finish(ctx, sent, bar)
	if err != nil {
		return nil, err
	}
	return sent, v.download(ctx, f, job, path, bar)
}

// download downloads the MP3 to path or, with -o -, to standard output.
func (v *converter) download(ctx context.Context, f mediafiles.File, job api.Job, path string, bar *term.ProgressBar) error {
	if v.Output == "-" {
		if err := v.fetcher.Stream(ctx, job, v.IO.Out, bar); err != nil {
			return err
		}
		bar.Done("done")
		transfer.SayWarnings(bar, job)
		return nil
	}
	exists, err := v.fetcher.File(ctx, job, path, bar)
	if err != nil {
		return err
	}
	if exists {
		bar.Done("already downloaded")
	} else {
		bar.Done("done")
	}
	transfer.SayWarnings(bar, job)
	result := transfer.ResultOf(job, path)
	result.Name = f.Name
	return v.printer.Print(result)
}

// finish waits for the conversion. If the job had failed in an earlier run and a retry
// may help, it is retried first.
func (v *converter) finish(ctx context.Context, sent *transfer.Uploaded, bar *term.ProgressBar) (api.Job, error) {
	job := sent.Job
	if sent.Earlier && job.State == sx.StateFailed && job.Error != nil && !job.Error.Code.Permanent() {
		bar.Say("retrying the failed conversion")
		err := v.policy.Start(bar).Do(ctx, func(ctx context.Context) (err error) {
			job, err = v.api.Retry(ctx, job.ID)
			return err
		})
		if err != nil {
			return job, err
		}
	}
	gone := false
	w := transfer.Watcher{API: v.api, Policy: v.policy}
	err := w.Follow(ctx, []string{job.ID}, transfer.WatchEvents{
		Job: func(now api.Job) {
			job = now
			transfer.ShowJob(bar, now)
		},
		Gone: func(string) { gone = true },
		Wait: func(reason string, until time.Time) { bar.Wait(reason, until) },
	})
	switch {
	case err != nil:
		return job, err
	case gone:
		sent.Forget()
		return job, sx.NewError(sx.CodeNotFound, "job %s was removed", job.ID).
			WithHint("run the same command again to start over")
	}
	if err := transfer.CheckConverted(job); err != nil {
		if job.State != sx.StateFailed || sx.CodeOf(err).Permanent() {
			sent.Forget()
		}
		return job, err
	}
	return job, nil
}
