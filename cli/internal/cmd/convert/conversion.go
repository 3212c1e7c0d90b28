package convert

import (
	"context"
	"fmt"
	"path/filepath"
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

// conversion is the conversion of one file whose job exists.
type conversion struct {
	file mediafiles.File
	made string             // identifies the file's content and the options
	path string             // of the MP3; "" with -o -
	job  api.Job            // in its last known state
	sent *transfer.Uploaded // nil if an earlier run, or another machine, sent the file
	bar  *term.ProgressBar
}

// forget makes the next run send the file again.
func (c *conversion) forget() {
	if c.sent != nil {
		c.sent.Forget()
	}
}

// download downloads the MP3s to their paths or, with -o -, the only one to standard output.
func (v *converter) download(ctx context.Context, c conversion) error {
	done := "converted"
	if c.sent == nil {
		done = "downloaded"
	}
	if n := len(c.job.Tracks); n > 1 && !v.Encoding.Split() { // their names would be paths
		return client.Malformed(fmt.Sprintf("it lists %d MP3s for a recording that was not to be split", n))
	}
	if c.path == "" {
		if err := v.fetcher.Stream(ctx, c.job, v.IO.Out, c.bar); err != nil {
			return err
		}
		c.bar.Done(done)
		transfer.SayWarnings(c.bar, c.job)
		return nil
	}
	var results []transfer.Result
	existed := true
	for _, t := range c.job.Tracks {
		result, err := v.downloadTrack(ctx, c, t)
		if err != nil {
			return err
		}
		existed = existed && result.Existed
		results = append(results, result)
	}
	if existed {
		done = "already there"
	}
	c.bar.Done(done)
	transfer.SayWarnings(c.bar, c.job)
	for _, r := range results {
		if err := v.printer.Print(r); err != nil {
			return err
		}
	}
	return nil
}

// downloadTrack downloads one of the MP3s. If there are several, one that an earlier run
// wrote is recognised wherever it is.
func (v *converter) downloadTrack(ctx context.Context, c conversion, t api.Track) (transfer.Result, error) {
	path := c.path
	m := knownfiles.MP3{SHA256: t.SHA256, Source: c.file.Path, Made: c.made, Job: c.job.ID}
	if c.file.Pipe != "" {
		m.Source = ""
	}
	existed := false
	if n := len(c.job.Tracks); n > 1 {
		m.Number, m.Total = t.Number, n
		path = transfer.PartPath(c.path, t.Name)
		if at, ok := v.index.Find(ctx, t.Size, t.SHA256); ok && !v.Force {
			path, existed = at, true
		} else if v.keeps(ctx, path, c) {
			result := transfer.ResultOf(c.job, t.Number, path)
			result.Name, result.Existed = c.file.Name, true
			return result, nil
		}
	}
	if !existed {
		var err error
		if existed, err = v.fetcher.File(ctx, c.job, t.Number, path, c.bar); err != nil {
			return transfer.Result{}, err
		}
	}
	v.records.Wrote(path, m)
	v.index.Add(path)
	result := transfer.ResultOf(c.job, t.Number, cmdutil.ShownPath(path, v.Output))
	result.Name, result.Existed = c.file.Name, existed
	return result, nil
}

// keeps reports whether there is an MP3 at path that was made from the same content and
// options, but is no longer, or has never been, what the server has now.
func (v *converter) keeps(ctx context.Context, path string, c conversion) bool {
	known, ok := v.records.MP3(path)
	if !ok || known.Made != c.made || v.Force {
		return false
	}
	now, err := v.records.Digest(ctx, path)
	if err != nil {
		return false
	}
	if now != known.Written {
		c.bar.Say("%s has changed since it was written, and is kept; replace it with --force", path)
	}
	return true
}

// finish waits for the conversion. If the job had failed in an earlier run and a retry
// may help, it is retried first.
func (v *converter) finish(ctx context.Context, c *conversion) error {
	if c.sent != nil && c.sent.Earlier && c.job.State == sx.StateFailed && c.job.Error != nil && !c.job.Error.Code.Permanent() {
		c.bar.Say("retrying the failed conversion")
		err := v.policy.Start(c.bar).Do(ctx, func(ctx context.Context) (err error) {
			c.job, err = v.api.Retry(ctx, c.job.ID)
			return err
		})
		if err != nil {
			return err
		}
	}
	gone := false
	w := transfer.Watcher{API: v.api, Policy: v.policy}
	err := w.Follow(ctx, []string{c.job.ID}, transfer.WatchEvents{
		Job: func(now api.Job) {
			c.job = now
			transfer.ShowJob(c.bar, now)
		},
		Gone: func(string) { gone = true },
		Wait: func(reason string, until time.Time) { c.bar.Wait(reason, until) },
	})
	switch {
	case ctx.Err() != nil && !c.job.State.Final():
		v.explainInterruption(ctx, c)
		return err
	case err != nil:
		return err
	case gone:
		c.forget()
		return sx.NewError(sx.CodeNotFound, "job %s was removed", c.job.ID).
			WithHint("run the same command again to start over")
	}
	if err := transfer.CheckConverted(c.job); err != nil {
		if c.job.State != sx.StateFailed || sx.CodeOf(err).Permanent() {
			c.forget()
		}
		return err
	}
	return nil
}

// explainInterruption prints what becomes of a conversion after Ctrl-C, which only the
// server knows.
func (v *converter) explainInterruption(ctx context.Context, c *conversion) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout)
	defer cancel()
	now, err := v.api.Job(ctx, c.job.ID)
	command := v.downloadCommand(c.job.ID, c.path)
	switch {
	case err != nil:
		c.bar.Say("the server does not respond; once it does, run the same command again to continue")
	case !now.State.Final():
		c.bar.Say("the server continues; download the MP3 later with: %s", command)
	case now.State == sx.StateDone:
		c.bar.Say("the MP3 is ready; download it with: %s", command)
	}
}

func (v *converter) downloadCommand(job, path string) string {
	switch {
	case path == "":
		return v.Flags().SX("download", job, "-o", "-")
	case v.Encoding.Split():
		return v.Flags().SX("download", job, "--flat", "-o", filepath.Dir(path)+string(filepath.Separator))
	}
	return v.Flags().SX("download", job, "-o", path)
}
