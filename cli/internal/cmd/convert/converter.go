package convert

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/knownfiles"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// phases is the number of phases of a file: uploading, verifying, queued,
// converting, downloading.
const phases = 5

type converter struct {
	*Options
	api      *client.Client
	policy   *transfer.Policy
	uploader *transfer.Uploader
	fetcher  *transfer.Downloader
	targets  *transfer.Targets // nil with -o -
	records  *knownfiles.Records
	index    *knownfiles.Index // of the MP3s in the output directory
	printer  transfer.ResultPrinter
	parallel int

	made sync.Map // the contents and options that are being converted: a *sync.Mutex for each
}

// indexOf returns the index of the MP3s among which the results of earlier runs are
// found: those in the output directory, but not everything below a current directory
// that was not named.
func (v *converter) indexOf(targets *transfer.Targets) *knownfiles.Index {
	switch {
	case targets == nil:
		return nil
	case targets.File != "":
		index := v.records.Index("", false)
		index.Add(targets.File)
		return index
	case targets.Dir == "":
		return v.records.Index(".", false)
	}
	return v.records.Index(targets.Dir, true)
}

// path chooses the path of a file's MP3: where an earlier run wrote it, or else one that
// no other file's MP3 has; "" with -o -.
func (v *converter) path(f mediafiles.File) string {
	if v.targets == nil {
		return ""
	}
	var earlier []string
	if f.Pipe == "" {
		earlier = v.records.MadeFrom(f.Path)
	}
	path := v.targets.Path(f.Name, func(path string) bool {
		known, ok := v.records.MP3(path)
		if !ok || known.Source == "" {
			return true
		}
		if _, err := os.Stat(path); err != nil {
			return true
		}
		abs, err := filepath.Abs(path)
		return err == nil && slices.Contains(earlier, abs)
	})
	v.index.Add(path)
	return path
}

// convertFile sees to it that the MP3 of a file is at path: it is there already, or is
// downloaded, or else the file is uploaded and converted first.
func (v *converter) convertFile(ctx context.Context, f mediafiles.File, path string, bar *term.ProgressBar) (*transfer.Uploaded, error) {
	var blocked error // another file is at path
	if path != "" {
		err := v.fetcher.CheckTarget(path)
		if err != nil && !errors.Is(err, transfer.ErrExists) {
			return nil, err
		}
		blocked = err
	}
	f, remove, err := transfer.Spool(ctx, f, v.IO.In, bar)
	if err != nil {
		return nil, err
	}
	defer remove()
	made, err := v.identify(ctx, f, bar)
	if err != nil {
		return nil, err
	}
	lock, _ := v.made.LoadOrStore(made, &sync.Mutex{})
	lock.(*sync.Mutex).Lock() // a copy of the file waits until its MP3 is there
	defer lock.(*sync.Mutex).Unlock()
	if path != "" && !v.Force {
		ended, err := v.alreadyThere(ctx, f, made, path, blocked, bar)
		if ended || err != nil {
			return nil, err
		}
	}
	if v.DryRun {
		return nil, v.printPlan("convert", f, path, bar)
	}
	sent, err := v.uploader.Upload(ctx, f, v.Encoding, bar)
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	job, err := v.finish(ctx, sent, path, bar)
	if err != nil {
		return nil, err
	}
	return sent, v.download(ctx, f, job, made, path, bar)
}

// identify returns what identifies the file's content and the options: two files with
// the same have the same MP3.
func (v *converter) identify(ctx context.Context, f mediafiles.File, bar *term.ProgressBar) (string, error) {
	identity, err := v.records.Identity(f.Path, "", func() (string, error) {
		return wholeFileIdentity(ctx, f, bar)
	})
	return identity + " " + optionsKey(v.Encoding), err
}

// alreadyThere reports whether there is nothing to do for the file, and then says so. If
// another file is in the MP3's place, it returns blocked.
func (v *converter) alreadyThere(ctx context.Context, f mediafiles.File, made, path string, blocked error, bar *term.ProgressBar) (bool, error) {
	if at, ok := v.index.Made(ctx, made); ok {
		return true, v.there(f, at, bar)
	}
	switch known, ok := v.records.MP3(path); {
	case blocked == nil, v.uploader.Started(f, v.Encoding): // the digests will tell
		return false, nil
	case ok && known.Made == made:
		bar.Say("%s was changed since it was written, and is kept; replace it with --force", path)
		bar.Done("kept")
		return true, nil
	case ok && known.Source != "":
		return false, transfer.ErrExists.WithMessage("%s was made from another version of the video or with other options", path).
			WithHint("replace it with --force, or give another directory with -o")
	}
	return false, blocked
}

// there reports a file whose MP3 is at path.
func (v *converter) there(f mediafiles.File, path string, bar *term.ProgressBar) error {
	bar.Done("already there")
	if v.IO.OutTTY && !v.JSON || v.DryRun {
		return nil // the summary counts it
	}
	known, _ := v.records.MP3(path)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return v.printer.Print(transfer.Result{
		ID: known.Job, Name: f.Name, Path: cmdutil.ShownPath(path), Size: info.Size(), SHA256: known.SHA256,
		Existed: true, Warnings: []api.Warning{},
	})
}

// printPlan says what would be done for a file.
func (v *converter) printPlan(action string, f mediafiles.File, path string, bar *term.ProgressBar) error {
	bar.Done("to " + action)
	return v.printer.PrintPlan(transfer.Plan{Action: action, Name: f.Name, Path: path})
}

// download downloads the MP3 to path or, with -o -, to standard output.
func (v *converter) download(ctx context.Context, f mediafiles.File, job api.Job, made, path string, bar *term.ProgressBar) error {
	if path == "" {
		if err := v.fetcher.Stream(ctx, job, v.IO.Out, bar); err != nil {
			return err
		}
		bar.Done("converted")
		transfer.SayWarnings(bar, job)
		return nil
	}
	existed, err := v.fetcher.File(ctx, job, path, bar)
	if err != nil {
		return err
	}
	if existed {
		bar.Done("already there")
	} else {
		bar.Done("converted")
	}
	source := f.Path
	if f.Pipe != "" {
		source = ""
	}
	v.records.Wrote(path, job.Track(1).SHA256, source, made, job.ID)
	v.index.Add(path)
	transfer.SayWarnings(bar, job)
	result := transfer.ResultOf(job, path)
	result.Name, result.Existed = f.Name, existed
	return v.printer.Print(result)
}

// finish waits for the conversion. If the job had failed in an earlier run and a retry
// may help, it is retried first.
func (v *converter) finish(ctx context.Context, sent *transfer.Uploaded, path string, bar *term.ProgressBar) (api.Job, error) {
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
	case ctx.Err() != nil && !job.State.Final():
		bar.Say("the server continues; download the MP3 later with: %s", v.downloadCommand(job.ID, path))
		return job, err
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

func (v *converter) downloadCommand(job, path string) string {
	if path == "" {
		return v.Flags().SX("download", job, "-o", "-")
	}
	return v.Flags().SX("download", job, "-o", path)
}

func wholeFileIdentity(ctx context.Context, f mediafiles.File, bar *term.ProgressBar) (string, error) {
	sum, err := transfer.FileDigest(ctx, f, bar)
	return "file1:" + sum, err
}

// optionsKey identifies the options: two with the same key give the same MP3.
func optionsKey(o sx.Options) string {
	raw, _ := json.Marshal(o)
	return string(raw)
}
