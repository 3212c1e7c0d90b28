package convert

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/cli/internal/fetch"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/cli/internal/uploads"
	"github.com/soundextract/sx/cli/internal/watcher"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// phases counts those that a file goes through: uploading, comparing, queued,
// converting, downloading.
const phases = 5

type converter struct {
	*Options
	api      *client.Client
	policy   *transfer.Policy
	uploader *uploads.Uploader
	fetcher  *fetch.Fetcher
	printer  fetch.Printer
}

// paths says where each MP3 goes, and finds before anything is uploaded what
// stands in the way there.
func (v *converter) paths(files []mediafiles.File) ([]string, error) {
	paths := make([]string, len(files))
	if v.Output == "-" {
		return paths, nil
	}
	targets, err := fetch.NewTargets(v.Output, len(files) > 1)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i, f := range files {
		paths[i] = targets.Path(f.Name)
		err := v.fetcher.Check(paths[i])
		// What is there may be the result of an earlier run that was stopped
		// before it could say so: that comes out when the digests are known.
		if err != nil && !v.uploader.Remembered(f, v.Encoding) {
			problems = append(problems, err)
		}
	}
	return paths, errors.Join(problems...)
}

// one brings one file all the way.
func (v *converter) one(ctx context.Context, f mediafiles.File, path string, bar *term.ProgressBar) (*uploads.Sent, error) {
	sent, err := v.uploader.Upload(ctx, f, v.Encoding, bar)
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	job, err := v.finish(ctx, sent, bar)
	if err != nil {
		return nil, err
	}
	return sent, v.deliver(ctx, f, job, path, bar)
}

// deliver brings the MP3 to where it is to be.
func (v *converter) deliver(ctx context.Context, f mediafiles.File, job api.Job, path string, bar *term.ProgressBar) error {
	if v.Output == "-" {
		if err := v.fetcher.Stream(ctx, job, v.IO.Out, bar); err != nil {
			return err
		}
		bar.Done("done")
		return nil
	}
	there, err := v.fetcher.File(ctx, job, path, bar)
	if err != nil {
		return err
	}
	if there {
		bar.Done("already there")
	} else {
		bar.Done("done")
	}
	result := fetch.ResultOf(job, path)
	result.Name = f.Name
	return v.printer.Print(result)
}

// finish waits for the conversion. A job that an earlier run saw fail is tried
// again if that may help.
func (v *converter) finish(ctx context.Context, sent *uploads.Sent, bar *term.ProgressBar) (api.Job, error) {
	job := sent.Job
	if sent.Earlier && job.State == sx.StateFailed && job.Error != nil && !job.Error.Code.Permanent() {
		bar.Say("its conversion had failed, trying it again")
		err := v.policy.Start(bar).Do(ctx, func(ctx context.Context) (err error) {
			job, err = v.api.Retry(ctx, job.ID)
			return err
		})
		if err != nil {
			return job, err
		}
	}
	gone := false
	w := watcher.Watcher{API: v.api, Policy: v.policy}
	err := w.Follow(ctx, []string{job.ID}, watcher.Events{
		Job: func(now api.Job) {
			job = now
			watcher.Show(bar, now)
		},
		Gone: func(string) { gone = true },
		Wait: func(reason string, until time.Time) { bar.Wait(reason, until) },
	})
	switch {
	case err != nil:
		return job, err
	case gone:
		sent.Forget()
		return job, sx.NewError(sx.CodeNotFound, "its job %s was removed", job.ID).
			WithHint("run the same command again to start anew")
	}
	if err := fetch.Ready(job); err != nil {
		if job.State != sx.StateFailed || sx.CodeOf(err).Permanent() {
			sent.Forget()
		}
		return job, err
	}
	return job, nil
}
