package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/knownfiles"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

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

	chosen map[string]string // the paths of MP3s, by those of their sources
	made   sync.Map          // the contents and options that are being converted: a *sync.Mutex for each
}

// indexOf returns the index of the MP3s among which the results of earlier runs are
// found: those in the output directory, but not everything below a current directory
// that was not named.
func (v *converter) indexOf(targets *transfer.Targets) *knownfiles.Index {
	switch {
	case targets == nil:
		return v.records.NewIndex()
	case targets.File != "":
		index := v.records.NewIndex()
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
	if path, ok := v.chosen[f.Path]; ok && f.Pipe == "" {
		return path
	}
	var earlier []string
	if f.Pipe == "" {
		earlier = v.records.MadeFrom(f.Path)
	}
	path := v.targets.Path(f.Name, func(path string) bool {
		if v.Encoding.Split() && v.isOthers(transfer.PartDir(path), f) {
			return false
		}
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
	v.chosen[f.Path] = path
	return path
}

// isOthers reports whether the directory has MP3s of another source than the file.
func (v *converter) isOthers(dir string, f mediafiles.File) bool {
	return slices.ContainsFunc(v.records.In(dir), func(m knownfiles.MP3) bool {
		return m.Source != "" && (f.Pipe != "" || !knownfiles.Same(m.Source, f.Path))
	})
}

// convertFile ensures that the MP3 of a file is at path. If it is not there yet,
// convertFile downloads it, after uploading and converting the file if necessary.
func (v *converter) convertFile(ctx context.Context, f mediafiles.File, path string, bar *term.ProgressBar) (*transfer.Uploaded, error) {
	var blocked error                      // another file is at path
	if path != "" && !v.Encoding.Split() { // else the names are not known yet
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
	in := v.uploader.Open(ctx, f, v.Encoding)
	defer in.Close()
	identity, err := in.Identity(bar)
	if err != nil {
		return nil, err
	}
	made := identity + " " + v.Encoding.Key()
	lock, _ := v.made.LoadOrStore(made, &sync.Mutex{})
	lock.(*sync.Mutex).Lock() // a copy of the file waits until its MP3 is there
	defer lock.(*sync.Mutex).Unlock()
	known, ended, err := v.lookUp(ctx, f, made, path, blocked, bar)
	if err == nil && !ended && !v.DryRun && !transfer.Sent(known) {
		var waited bool
		if waited, err = v.uploader.Reserve(ctx, in, bar); err == nil && waited {
			known, ended, err = v.lookUpAgain(ctx, f, made, path, bar)
		}
	}
	if ended || err != nil {
		return nil, err
	}
	if v.DryRun {
		return nil, v.printPlan(known, f, path, bar)
	}
	c := conversion{file: f, made: made, path: path, bar: bar}
	if transfer.Sent(known) {
		err = v.policy.Start(bar).Do(ctx, func(ctx context.Context) (err error) {
			c.job, err = v.api.Job(ctx, known.JobID)
			return err
		})
		if err != nil {
			return nil, err
		}
		bar.Say("the server has it already, as job %s", known.JobID)
	} else {
		if c.sent, err = v.uploader.Upload(ctx, in, bar); err != nil {
			return nil, err
		}
		defer c.sent.Close()
		c.job, c.made = c.sent.Job, c.sent.Identity+" "+v.Encoding.Key()
	}
	if err := v.finish(ctx, &c); err != nil {
		return nil, err
	}
	return c.sent, v.download(ctx, c)
}

// lookUp returns what the server knows about made, the file's content and options, and
// reports whether there is nothing to do for the file.
func (v *converter) lookUp(ctx context.Context, f mediafiles.File, made, path string, blocked error, bar *term.ProgressBar) (known api.Conversion, ended bool, err error) {
	if v.Force {
		return known, false, nil
	}
	if path != "" {
		v.index.Add(path) // another process may have written it meanwhile
	}
	if at, ok := v.index.Made(ctx, made); ok {
		return known, true, v.reportExisting(f, path, at, bar)
	}
	identity, _, _ := strings.Cut(made, " ")
	if known, err = transfer.Known(ctx, v.api, v.policy, identity, v.Encoding, bar); err != nil {
		return known, false, err
	}
	ended, err = v.alreadyThere(ctx, f, made, path, known, blocked, bar)
	return known, ended, err
}

// lookUpAgain is lookUp for a file that another process had reserved and may have
// converted.
func (v *converter) lookUpAgain(ctx context.Context, f mediafiles.File, made, path string, bar *term.ProgressBar) (known api.Conversion, ended bool, err error) {
	if path == "" || v.Encoding.Split() {
		return v.lookUp(ctx, f, made, path, nil, bar)
	}
	blocked := v.fetcher.CheckTarget(path)
	if blocked != nil && !errors.Is(blocked, transfer.ErrExists) {
		return known, false, blocked
	}
	return v.lookUp(ctx, f, made, path, blocked, bar)
}

// alreadyThere reports whether there is nothing to do for the file, and then prints that.
// If another file is in the MP3's place, it returns blocked, or a more specific error.
func (v *converter) alreadyThere(ctx context.Context, f mediafiles.File, made, path string, server api.Conversion, blocked error, bar *term.ProgressBar) (bool, error) {
	var there []string
	for _, track := range server.Tracks {
		if at, ok := v.index.Find(ctx, track.Size, track.SHA256); ok {
			there = append(there, at)
		}
	}
	if len(there) > 0 && len(there) == len(server.Tracks) {
		for i, track := range server.Tracks {
			m := knownfiles.MP3{SHA256: track.SHA256, Source: f.Path, Made: made, Job: server.JobID}
			if len(there) > 1 {
				m.Number, m.Total = track.Number, len(there)
			}
			v.records.Wrote(there[i], m)
		}
		return true, v.reportExisting(f, path, there, bar)
	}
	switch known, ok := v.records.MP3(path); {
	case blocked == nil, v.uploader.Started(f, v.Encoding): // the digests decide
		return false, nil
	case ok && known.Made == made:
		bar.Say("%s has changed since it was written, and is kept; replace it with --force", path)
		bar.Done("kept")
		return true, nil
	case ok && known.Source != "":
		return false, transfer.ErrExists.WithMessage("%s was made from another version of the video or with other options", path).
			WithHint("replace it with --force, or give another directory with -o")
	}
	return false, blocked
}

// reportExisting reports a file whose MP3s are at the paths; wanted is where a single one
// would be written.
func (v *converter) reportExisting(f mediafiles.File, wanted string, paths []string, bar *term.ProgressBar) error {
	switch at := paths[0]; {
	case wanted == "":
	case len(paths) > 1:
		if dir := filepath.Dir(at); filepath.Base(dir) != filepath.Base(transfer.PartDir(wanted)) {
			bar.Say("its MP3s are in %s", cmdutil.ShownPath(dir, v.Output))
		}
	case filepath.Base(wanted) != filepath.Base(at):
		bar.Say("its MP3 is %s", cmdutil.ShownPath(at, v.Output))
	}
	bar.Done("already there")
	if v.IO.OutTTY && !v.JSON || v.DryRun {
		return nil // the summary counts it
	}
	for _, path := range paths {
		known, _ := v.records.MP3(path)
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		err = v.printer.Print(transfer.Result{
			ID: known.Job, Name: f.Name, Number: known.Number, Path: cmdutil.ShownPath(path, v.Output), Size: info.Size(), SHA256: known.SHA256,
			Existed: true, Warnings: []api.Warning{},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// printPlan says what would be done for a file.
func (v *converter) printPlan(known api.Conversion, f mediafiles.File, path string, bar *term.ProgressBar) error {
	if v.Encoding.Split() {
		path = transfer.PartDir(path) + string(filepath.Separator)
	}
	plan := transfer.Plan{Action: "convert", Name: f.Name, Path: path, Sources: transfer.Sources(f)}
	if transfer.Sent(known) {
		plan.Action = "download"
	}
	bar.Done("to " + plan.Action)
	return v.printer.PrintPlan(plan)
}

// stateTimeout bounds the request for the state of an interrupted conversion.
const stateTimeout = 2 * time.Second
