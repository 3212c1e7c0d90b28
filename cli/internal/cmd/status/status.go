// Package status is the command sx status.
package status

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx status.
type Options struct {
	IO        *term.IOStreams
	Config    func() (*config.Config, error)
	Transport func() (http.RoundTripper, error)

	Cluster      cluster.Flags
	ClusterGiven bool // one of the flags in Cluster was given
	Wait         bool
	Timeout      time.Duration
	JSON         bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Transport: f.Transport}
	if run == nil {
		run = runStatus
	}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the server",
		Long: `Show the state of the server in use. The exit code is 69 if it is not ready.

Of the local server: its parts, version, address, data directory and the space
that it uses. Of an installation in a cluster: the release and its workloads;
for each that is not ready, the pod, the reason, the end of its log and the next
command to run. The flags for clusters choose an installation.`,
		Example: `  sx status
  sx status --wait --timeout 5m`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.ClusterGiven = cluster.Given(cmd.Flags())
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.Wait, "wait", false, "wait until everything is ready")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", cluster.DefaultTimeout, "wait at most `TIME`, such as 90s or 15m")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the status as JSON")
	return cmd
}

func runStatus(ctx context.Context, opts *Options) error {
	kind, cfg, err := opts.Cluster.InUse(opts.ClusterGiven, opts.Config)
	if err != nil {
		return err
	}
	switch kind {
	case cluster.Local:
		return opts.local(ctx, cfg)
	case cluster.Elsewhere:
		return opts.elsewhere(ctx, cfg)
	default:
		return opts.inCluster(ctx, cfg)
	}
}

// inCluster shows the state of an installation.
func (opts *Options) inCluster(ctx context.Context, cfg *config.Config) error {
	if opts.Wait {
		if err := opts.wait(ctx); err != nil {
			return err
		}
	}
	in, err := opts.Cluster.Installer(nil)
	if err != nil {
		return cluster.NoServer(err, opts.ClusterGiven, cfg)
	}
	s, err := in.Status(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		err = opts.IO.WriteJSON(s)
	} else {
		err = opts.print(in, s)
	}
	if err != nil || s.Ready {
		return err
	}
	return opts.notReady(s)
}

func (opts *Options) wait(ctx context.Context) error {
	streams := *opts.IO
	if opts.JSON { // standard output is for the result alone
		streams.ErrTTY = false
	}
	display := cluster.NewRolloutDisplay(&streams, false)
	defer display.Close()
	in, err := opts.Cluster.Installer(display.Show)
	if err != nil {
		return err
	}
	if last, err := in.Runner.Last(ctx); err != nil {
		return err
	} else if last == nil {
		return in.NotInstalled()
	}
	_, err = in.Wait(ctx, opts.Timeout)
	return err
}

func (opts *Options) notReady(s installer.Status) error {
	waiting := 0
	for _, r := range s.Rows {
		if r.State != watch.StateReady {
			waiting++
		}
	}
	message := fmt.Sprintf("%d of %d workloads are not ready", waiting, len(s.Rows))
	if len(s.Rows) == 0 {
		message = "the release has no workloads"
	}
	err := sx.NewError(sx.CodeUnavailable, "%s", message).
		WithHint("wait for them with: %s", opts.Cluster.Line("status", "--wait"))
	if len(s.Problems) > 0 {
		err = err.WithHint("%s", s.Problems[0].Next)
	}
	return err
}

var colors = map[watch.State]string{
	watch.StateReady: "32", watch.StateStarting: "36", watch.StatePending: "36",
	watch.StateFailing: "33", watch.StateFailed: "31",
}

func (opts *Options) print(in *installer.Installer, s installer.Status) error {
	r := s.Release
	_, err := fmt.Fprintf(opts.IO.Out, "%s %s in namespace %s of context %s: revision %d, %s %s ago\n",
		in.Release, r.Version, in.Cluster.Namespace, in.Cluster.Context, r.Revision, r.Status, term.FormatAge(time.Since(r.Updated)))
	if err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	columns := []term.Column{{Header: "WORKLOAD"}, {Header: "READY", Right: true}, {Header: "STATE"}, {Header: "REASON", Shrink: true}}
	rows := make([][]term.Cell, len(s.Rows))
	for i, w := range s.Rows {
		rows[i] = []term.Cell{
			term.TextCell(w.Name),
			term.TextCell(fmt.Sprintf("%d/%d", w.Ready, w.Desired)),
			{Text: string(w.State), Color: colors[w.State]},
			term.TextCell(w.Reason),
		}
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	for _, p := range s.Problems {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "\n%s\n", p.Error())
		for _, line := range p.Log {
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "    | %s\n", line)
		}
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "  next: %s\n", p.Next)
	}
	return nil
}
