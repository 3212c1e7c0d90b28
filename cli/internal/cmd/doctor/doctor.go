// Package doctor is the command sx doctor.
package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// Options are what sx doctor works with.
type Options struct {
	IO      *term.IOStreams
	Checkup func(cluster *kube.Cluster, release string) *Checkup

	Where cluster.Flags
	JSON  bool
}

// NewCmd makes the command; run is nil but in tests.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Checkup: func(cluster *kube.Cluster, release string) *Checkup {
		return NewCheckup(f, cluster, release)
	}}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check a cluster and the release in it",
		Long: `Check whether a cluster is fit for SoundExtract and, where a release is, how it
is doing: its workloads, queues, database, volumes and secrets, and whether an
upload that is cut keeps what was sent. Nothing is changed.

What goes through the users' address is checked when sx is set to this release
(sx install does that), or with --server URL; the upload when you are signed in.

It ends with 79 when a check finds something wrong, be it fatal (SoundExtract
does not work, or cannot be installed) or a warning (it works, for now). Checks
that are skipped count for nothing. With --json each result is one line.`,
		Example: `  sx doctor
  sx doctor -n music --server https://sx.example.org
  sx doctor --json | jq 'select(.outcome == "fatal")'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), opts)
			}
			return doctorRun(cmd.Context(), opts)
		},
	}
	opts.Where.Add(cmd)
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each result as JSON")
	return cmd
}

func doctorRun(ctx context.Context, opts *Options) error {
	cluster, err := kube.Connect(opts.Where.Target())
	if err != nil {
		return err
	}
	p := &printer{io: opts.IO, json: opts.JSON}
	results, err := opts.Checkup(cluster, opts.Where.Release).Run(ctx, p.show)
	if err != nil {
		return err
	}
	if p.err != nil {
		return fmt.Errorf("print the results: %w", p.err)
	}
	found := map[check.Outcome]int{}
	for _, r := range results {
		found[r.Outcome]++
	}
	if found[check.FoundFatal]+found[check.FoundWarning] == 0 {
		if !opts.JSON {
			_, _ = fmt.Fprintln(opts.IO.ErrOut, "no problems found")
		}
		return nil
	}
	return sx.NewError(cmdutil.CodeProblems, "the checks found %s", count(found)).
		WithHint("do what is said beside each, then check again with: %s", opts.Where.Line("doctor"))
}

// count says how many problems there are: 1 fatal problem and 2 warnings.
func count(found map[check.Outcome]int) string {
	var parts []string
	for _, kind := range []struct {
		outcome check.Outcome
		name    string
	}{{check.FoundFatal, "fatal problem"}, {check.FoundWarning, "warning"}} {
		switch n := found[kind.outcome]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+kind.name)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, kind.name))
		}
	}
	return strings.Join(parts, " and ")
}
