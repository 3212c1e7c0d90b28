// Package supportbundle is the command sx support-bundle.
package supportbundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmd/doctor"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/bundle"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx support-bundle.
type Options struct {
	IO      *term.IOStreams
	Checkup func(cluster *kube.Cluster, release string) *doctor.Checkup
	Now     func() time.Time

	Cluster cluster.Flags
	Output  string // "" generates a name in the current directory
	JSON    bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now, Checkup: func(cluster *kube.Cluster, release string) *doctor.Checkup {
		return doctor.NewCheckup(f, cluster, release)
	}}
	if run == nil {
		run = runBundle
	}
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Collect diagnostic data",
		Long: `Collect diagnostic data in an archive and print its path: the release's objects,
events and logs, its history and values, the cluster's version and nodes, and
the results of sx doctor. Nothing is changed or sent.

Secrets are redacted: the values of all Secrets in the namespace wherever they
occur, and anything that looks like a password, token or key. Review the archive
before you share it; its index.json lists the contents.`,
		Example: `  sx support-bundle
  sx support-bundle -n music -o music.tar.gz`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().StringVarP(&opts.Output, "output", "o", "", "`FILE` to write (default: sx-support-RELEASE-TIME.tar.gz)")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print path, size and number of files as JSON")
	return cmd
}

// result is what --json prints.
type result struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Files int    `json:"files"`
}

func runBundle(ctx context.Context, opts *Options) error {
	cluster, err := kube.Connect(opts.Cluster.Target())
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(opts.IO.ErrOut, "running the checks of sx doctor")
	checks, err := opts.Checkup(cluster, opts.Cluster.Release).Run(ctx, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // perhaps a part of the problem to diagnose
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: not all checks ran: %v\n", err)
	}
	if first := checks[0]; first.Outcome != check.OK {
		return sx.NewError(sx.CodeUnavailable, "nothing to collect: %s", first.Message).WithHint("%s", first.Hint)
	}
	path := opts.Output
	if path == "" {
		path = fmt.Sprintf("sx-support-%s-%s.tar.gz", opts.Cluster.Release, opts.Now().UTC().Format("20060102T150405Z"))
	}
	_, _ = fmt.Fprintln(opts.IO.ErrOut, "collecting objects, events and logs")
	index, size, err := write(ctx, path, bundle.Options{Cluster: cluster, Release: opts.Cluster.Release, Version: sx.Version, Checks: checks})
	if err != nil {
		return err
	}
	return opts.print(result{path, size, files(index)}, index)
}

// files returns the number of files in the archive, including the index.
func files(index bundle.Index) int {
	n := 1
	for _, e := range index.Entries {
		if e.Error == "" || e.Bytes > 0 {
			n++
		}
	}
	return n
}

func (opts *Options) print(r result, index bundle.Index) error {
	missing := 0
	for _, e := range index.Entries {
		if e.Error == "" {
			continue
		}
		missing++
		if e.Path == bundle.SecretsEntry {
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: %s\n", e.Error)
		}
	}
	if missing > 0 {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "%d entries could not be collected; index.json in the archive has the reasons\n", missing)
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "%d files, %s; secrets were redacted, but review it before you share it\n", r.Files, sx.FormatSize(r.Bytes))
	if opts.JSON {
		return opts.IO.WriteJSON(r)
	}
	return opts.IO.Printf("%s\n", r.Path)
}

// write writes the archive, readable by its owner only, and returns its size in bytes.
// It never replaces a file, and removes an incomplete archive.
func write(ctx context.Context, path string, o bundle.Options) (index bundle.Index, size int64, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return index, 0, sx.NewError(sx.CodeInvalid, "%s already exists", path).WithHint("choose another file with -o FILE").WithCause(err)
	}
	if err != nil {
		return index, 0, sx.NewError(sx.CodeInvalid, "cannot write the archive: %v", err).WithHint("choose another file with -o FILE").WithCause(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	index, err = bundle.Write(ctx, file, o)
	if err == nil {
		err = ctx.Err() // the archive of an interrupted run is incomplete
	}
	if info, statErr := file.Stat(); err == nil {
		err = statErr
		if err == nil {
			size = info.Size()
		}
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return index, size, err
}
