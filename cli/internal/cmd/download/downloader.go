package download

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

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
	found := map[int]string{} // by the numbers of the MP3s
	if d.All {
		for _, t := range w.job.Tracks {
			if path, ok := d.index.Find(ctx, t.Size, t.SHA256); ok {
				found[t.Number] = path
			}
		}
		if len(found) == len(w.job.Tracks) {
			return func(context.Context) error { return d.there(w.job, found, bar) }
		}
	}
	if len(w.job.Tracks) > 1 {
		path := d.targets.Path(w.job.Name, func(path string) bool { return d.isOwn(transfer.PartDir(path), w.job) })
		return func(ctx context.Context) error { return d.parts(ctx, w.job, path, found, bar) }
	}
	path := d.targets.Path(w.job.Name, func(path string) bool { return d.isFree(path, w.job) })
	return func(ctx context.Context) error { return d.file(ctx, w.job, path, bar) }
}

// isOwn reports whether the directory has no MP3s of other jobs.
func (d *downloader) isOwn(dir string, job api.Job) bool {
	return !slices.ContainsFunc(d.records.In(dir), func(m knownfiles.MP3) bool { return m.Job != "" && m.Job != job.ID })
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
	if d.keeps(job, path, bar) {
		bar.Done("kept")
		return nil
	}
	if d.DryRun {
		if err := d.fetcher.CheckTarget(path); err != nil && !errors.Is(err, transfer.ErrExists) {
			return err
		}
		return d.printPlan(job, path, bar)
	}
	existed, err := d.fetch(ctx, job, 1, path, bar)
	if err != nil {
		return err
	}
	d.end(job, existed, bar)
	return d.print(job, 1, path, existed)
}

// parts downloads the MP3s of a job that has several, except those that were found.
func (d *downloader) parts(ctx context.Context, job api.Job, path string, found map[int]string, bar *term.ProgressBar) error {
	if d.DryRun {
		return d.printPlan(job, transfer.PartDir(path)+string(filepath.Separator), bar)
	}
	all := true
	at := make([]string, len(job.Tracks))
	there := make([]bool, len(job.Tracks))
	for i, t := range job.Tracks {
		if at[i], there[i] = found[t.Number]; there[i] {
			at[i] = cmdutil.ShownPath(at[i], d.Output)
			continue
		}
		at[i] = transfer.PartPath(path, t.Name)
		if there[i] = d.keeps(job, at[i], bar); there[i] {
			continue
		}
		var err error
		if there[i], err = d.fetch(ctx, job, t.Number, at[i], bar); err != nil {
			return err
		}
		all = all && there[i]
	}
	d.end(job, all, bar)
	for i, t := range job.Tracks {
		if err := d.print(job, t.Number, at[i], there[i]); err != nil {
			return err
		}
	}
	return nil
}

// there reports a job whose MP3s were found.
func (d *downloader) there(job api.Job, found map[int]string, bar *term.ProgressBar) error {
	d.end(job, true, bar)
	for _, t := range job.Tracks {
		if err := d.print(job, t.Number, cmdutil.ShownPath(found[t.Number], d.Output), true); err != nil {
			return err
		}
	}
	return nil
}

// keeps reports whether what is at path was the job's MP3, but has changed, and is kept.
func (d *downloader) keeps(job api.Job, path string, bar *term.ProgressBar) bool {
	known, ok := d.records.MP3(path)
	if _, err := os.Lstat(path); !d.All || d.Force || !ok || known.Job != job.ID || err != nil {
		return false
	}
	bar.Say("%s differs from the job's MP3, and is kept; replace it with --force", path)
	return true
}

// fetch downloads an MP3 to path.
func (d *downloader) fetch(ctx context.Context, job api.Job, number int, path string, bar *term.ProgressBar) (existed bool, err error) {
	existed, err = d.fetcher.File(ctx, job, number, path, bar)
	if err != nil {
		return existed, err
	}
	if _, known := d.records.MP3(path); !existed || !known {
		m := knownfiles.MP3{SHA256: job.Track(number).SHA256, Job: job.ID}
		if n := len(job.Tracks); n > 1 {
			m.Number, m.Total = number, n
		}
		d.records.Wrote(path, m)
	}
	return existed, nil
}

// end ends the job's bar.
func (d *downloader) end(job api.Job, existed bool, bar *term.ProgressBar) {
	if existed {
		bar.Done("already there")
	} else {
		bar.Done("downloaded")
	}
	transfer.SayWarnings(bar, job)
}

func (d *downloader) print(job api.Job, number int, path string, existed bool) error {
	if d.DryRun {
		return nil
	}
	result := transfer.ResultOf(job, number, path)
	result.Existed = existed
	return d.printer.Print(result)
}

func (d *downloader) printPlan(job api.Job, path string, bar *term.ProgressBar) error {
	bar.Done("to download")
	return d.printer.PrintPlan(transfer.Plan{Action: "download", Name: job.Name, Path: path})
}
