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
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx status.
type Options struct {
	IO        *term.IOStreams
	Config    func() (*config.Config, error)
	Transport func() (http.RoundTripper, error)
	Client    func() (*client.Client, error)

	Cluster      cluster.Flags
	ClusterGiven bool // one of the flags in Cluster was given
	Wait         bool
	Timeout      time.Duration
	JSON         bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Transport: f.Transport, Client: f.Client}
	if run == nil {
		run = runStatus
	}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the server",
		Long: `Show the state of the server in use. The exit code is 69 if it is not ready.

For the local server: its parts, version, address, data directory and the space
that it uses. For an installation in a cluster: the cause of what is wrong, with
the end of the pod's log, and the next command to run; then the workloads, those
that others need first, and how full the volumes are. A workload that only waits
for another one is shown as waiting. The flags for clusters choose an
installation.`,
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

// waitInterval is the pause between two checks of an installation whose pods are ready.
const waitInterval = 2 * time.Second

// inCluster shows the state of an installation.
func (opts *Options) inCluster(ctx context.Context, cfg *config.Config) error {
	deadline := time.Now().Add(opts.Timeout)
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
	// A pod that is ready may still be connecting to one that has just restarted.
	for opts.Wait && err == nil && !s.Ready && time.Now().Before(deadline) && backoff.Sleep(ctx, waitInterval) == nil {
		s, err = in.Status(ctx)
	}
	if err != nil {
		return err
	}
	if opts.JSON {
		err = opts.IO.WriteJSON(s)
	} else {
		err = opts.print(s)
	}
	if err != nil {
		return err
	}
	if !s.Ready {
		return opts.notReady(s)
	}
	opts.printUpgrade(ctx)
	return nil
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
	if last, err := in.Deployed(ctx); err != nil {
		return err
	} else if last == nil {
		return in.NotInstalled()
	}
	_, err = in.Wait(ctx, opts.Timeout)
	return err
}

// notReady is the error of an installation with a problem, whose cause is printed already
// unless it is JSON.
func (opts *Options) notReady(s installer.Status) error {
	waiting := 0
	for _, r := range s.Rows {
		if r.State != watch.StateReady {
			waiting++
		}
	}
	message := fmt.Sprintf("%d of %d workloads are not ready", waiting, len(s.Rows))
	switch {
	case len(s.Rows) == 0:
		message = "the release has no workloads"
	case len(s.Problems) > 0 && opts.JSON:
		message = s.Problems[0].Error()
	case waiting == 0:
		message = "the workloads are ready, but there is a problem"
	}
	err := sx.NewError(sx.CodeUnavailable, "%s", message).
		WithHint("wait for them with: %s", opts.Cluster.Line("status", "--wait"))
	if len(s.Rows) == 0 {
		err = err.WithHint("create them with: %s", opts.Cluster.Line("install"))
	}
	if len(s.Problems) > 0 {
		err = err.WithHint("%s", s.Problems[0].Next)
	}
	return err
}

var colors = map[watch.State]string{
	watch.StateReady: "32", watch.StateStarting: "36", watch.StatePending: "36", watch.StateWaiting: "36",
	watch.StateFailing: "33", watch.StateStopped: "31", watch.StateFailed: "31",
}

// print prints the cause of what is wrong before anything else. Only the table is on
// standard output.
func (opts *Options) print(s installer.Status) error {
	opts.printCause(s.Problems)
	r := s.Release
	revision := fmt.Sprintf("revision %d, %s %s ago", r.Revision, r.Status, term.FormatAge(time.Since(r.Updated)))
	if r.Revision == 0 {
		revision = "not managed by sx or Helm"
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "%s %s in namespace %s of context %s: %s\n", s.Name, r.Version, s.Namespace, s.Context, revision)
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
	for _, v := range s.Volumes {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "volume of %s\n", v.Describe())
	}
	if s.Ready && len(s.Problems) > 0 { // otherwise the error has the next command
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "hint: %s\n", s.Problems[0].Next)
	}
	return nil
}

// printCause prints the most significant problem, with its log, and the others that are
// not consequences of another one in a line each.
func (opts *Options) printCause(problems []watch.Problem) {
	for i, p := range problems {
		if p.ConsequenceOf != "" {
			continue
		}
		sign, color := "✗", "31"
		if p.Warning {
			sign, color = "!", "33"
		}
		if opts.IO.Color {
			sign = "\x1b[" + color + "m" + sign + "\x1b[0m"
		}
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "%s %s\n", sign, p.Error())
		if i > 0 {
			continue
		}
		for _, line := range p.Log {
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "    | %s\n", line)
		}
	}
	if len(problems) > 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut)
	}
}
