package download

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/knownfiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
)

type downloader struct {
	*Options
	fetcher *transfer.Downloader
	targets *transfer.Targets // nil with -o -
	records *knownfiles.Records
	index   *knownfiles.Index // of the MP3s in the output directory; only with --all
	printer transfer.ResultPrinter
}

// open interprets --output for one or several jobs.
func (d *downloader) open(several bool) (err error) {
	if d.Output == "-" {
		if d.IO.OutTTY {
			return cmdutil.UsageErrorf("refusing to write MP3 data to a terminal").WithHint("pipe the output, or name a file with -o")
		}
		return d.IO.CheckOut()
	}
	if d.targets, err = transfer.NewTargets(d.Output, d.All || several, d.Flat); err != nil {
		return err
	}
	if d.targets.File == "" {
		d.fetcher.Confined = cmp.Or(d.targets.Dir, ".")
	}
	if d.All {
		d.index = d.records.Index(cmp.Or(d.targets.Dir, "."), d.targets.Dir != "")
	}
	return d.targets.CheckDir()
}

// plan chooses where the job's MP3 is written, and returns what is to be done.
func (d *downloader) plan(ctx context.Context, w target, bar *term.ProgressBar) func(context.Context) error {
	err := w.err
	if err == nil {
		err = transfer.CheckConverted(w.job)
	}
	switch {
	case err != nil:
		return func(context.Context) error { return err }
	case d.targets == nil:
		return func(ctx context.Context) error { return d.stream(ctx, w.job, bar) }
	}
	if d.All {
		track := w.job.Track(1)
		if path, ok := d.index.Find(ctx, track.Size, track.SHA256); ok {
			return func(context.Context) error { return d.done(w.job, cmdutil.ShownPath(path, d.Output), true, bar) }
		}
	}
	path := d.targets.Path(w.job.Name, func(path string) bool { return d.isFree(path, w.job) })
	return func(ctx context.Context) error { return d.file(ctx, w.job, path, bar) }
}

// isFree reports whether the job's MP3 may be written to path: there is nothing, it is the
// job's own, or, if the job was named or with --force, anything but the MP3 of another job.
func (d *downloader) isFree(path string, job api.Job) bool {
	if _, err := os.Lstat(path); err != nil {
		return true
	}
	known, ok := d.records.MP3(path)
	if ok && known.Job != "" {
		return known.Job == job.ID
	}
	return !d.All || d.Force
}

func (d *downloader) stream(ctx context.Context, job api.Job, bar *term.ProgressBar) error {
	if d.DryRun {
		return d.printPlan(job, "", bar)
	}
	if err := d.fetcher.Stream(ctx, job, d.IO.Out, bar); err != nil {
		return err
	}
	bar.Done("downloaded")
	transfer.SayWarnings(bar, job)
	return nil
}

func (d *downloader) file(ctx context.Context, job api.Job, path string, bar *term.ProgressBar) error {
	if known, ok := d.records.MP3(path); d.All && !d.Force && ok && known.Job == job.ID {
		if _, err := os.Lstat(path); err == nil {
			bar.Say("%s differs from the job's MP3, and is kept; replace it with --force", path)
			bar.Done("kept")
			return nil
		}
	}
	if d.DryRun {
		if err := d.fetcher.CheckTarget(path); err != nil && !errors.Is(err, transfer.ErrExists) {
			return err
		}
		return d.printPlan(job, path, bar)
	}
	existed, err := d.fetcher.File(ctx, job, path, bar)
	if err != nil {
		return err
	}
	if _, known := d.records.MP3(path); !existed || !known {
		d.records.Wrote(path, job.Track(1).SHA256, "", "", job.ID)
	}
	return d.done(job, path, existed, bar)
}

func (d *downloader) done(job api.Job, path string, existed bool, bar *term.ProgressBar) error {
	if existed {
		bar.Done("already there")
	} else {
		bar.Done("downloaded")
	}
	transfer.SayWarnings(bar, job)
	if d.DryRun {
		return nil
	}
	result := transfer.ResultOf(job, path)
	result.Existed = existed
	return d.printer.Print(result)
}

func (d *downloader) printPlan(job api.Job, path string, bar *term.ProgressBar) error {
	bar.Done("to download")
	return d.printer.PrintPlan(transfer.Plan{Action: "download", Name: job.Name, Path: path})
}
