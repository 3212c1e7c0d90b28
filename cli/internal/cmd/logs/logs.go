// Package logs is the command sx logs.
package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/logs"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx logs.
type Options struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)

	Part         string // "" is all
	Job          string // the ID of a job; "" is all lines
	Cluster      cluster.Flags
	ClusterGiven bool // one of the flags in Cluster was given
	Follow       bool
	Since        time.Duration // 0 is the last lines
	JSON         bool
}

// lastLines is how many lines are shown of each log without --since.
const lastLines = 100

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config}
	if run == nil {
		run = runLogs
	}
	cmd := &cobra.Command{
		Use:   "logs [PART]",
		Short: "Show the logs of the server",
		Long: fmt.Sprintf(`Show the logs of the server in use, local or in a cluster: the last %d lines,
or those since a time. PART is gateway, auth, converter or notifier; in a
cluster also rabbitmq or mongodb. With --job, show all lines about one job,
from all parts, in chronological order.

With --json, each line is an object, as the server wrote it.`, lastLines),
		Example: `  sx logs
  sx logs converter -f
  sx logs --since 2h
  sx logs --job jq3m5v7kxw2c4t6b
  sx logs gateway -n soundextract --context lab`,
		Args: cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions([]cobra.Completion{"gateway", "auth", "converter", "notifier", "rabbitmq", "mongodb"},
			cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Part = args[0]
			}
			if opts.Since < 0 {
				return cmdutil.UsageErrorf("--since must not be negative")
			}
			if opts.Job != "" && !client.IsID(opts.Job) {
				return cmdutil.UsageErrorf("%q is not the ID of a job", opts.Job)
			}
			opts.ClusterGiven = cluster.Given(cmd.Flags())
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().StringVar(&opts.Job, "job", "", "show only lines about the job with this `ID`")
	cmd.Flags().BoolVarP(&opts.Follow, "follow", "f", false, "keep showing new lines until Ctrl-C")
	cmd.Flags().DurationVar(&opts.Since, "since", 0, "show lines that are at most `TIME` old, such as 10m or 2h")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each line as JSON")
	return cmd
}

func runLogs(ctx context.Context, opts *Options) error {
	kind, cfg, err := opts.Cluster.InUse(opts.ClusterGiven, opts.Config)
	if err != nil {
		return err
	}
	switch kind {
	case cluster.Local:
		return opts.local(ctx, cfg.Data)
	case cluster.Elsewhere:
		return sx.NewError(sx.CodeInvalid, "only the operator of %s can read its logs", cfg.Server).
			WithHint("for an installation in a cluster, name it with --context and --namespace")
	default:
		return opts.inCluster(ctx)
	}
}

// local shows the log of the local server.
func (opts *Options) local(ctx context.Context, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := newPrinter(opts, cancel)
	var last []record // without --since, until all are known
	var after time.Time
	if opts.Since > 0 {
		after = time.Now().Add(-opts.Since)
	}
	var at time.Time // of the last line that had one: a stack trace has the time of the line before it
	known := opts.Part == ""
	caughtUp := opts.Since > 0
	show := func(line string) {
		r := parse(line)
		if r.time.IsZero() {
			r.time = at
		}
		at = r.time
		known = known || r.part == opts.Part
		if opts.Part != "" && r.part != opts.Part || r.time.Before(after) || !opts.about(r) {
			return
		}
		if caughtUp {
			p.print(r, "")
			return
		}
		if last = append(last, r); len(last) > opts.lines() {
			last = last[1:]
		}
	}
	err := localserver.ReadLog(ctx, dir, opts.Follow, show, func() {
		for _, r := range last {
			p.print(r, "")
		}
		last, caughtUp = nil, true
	})
	switch {
	case p.err != nil:
		return fmt.Errorf("print the log: %w", p.err)
	case err != nil:
		return err
	case !known && !isPart(opts.Part):
		return unknownPart(opts.Part)
	}
	return nil
}

// about reports whether the line is to be shown: with Job, whether it is about that job.
func (opts *Options) about(r record) bool { return opts.Job == "" || r.about(opts.Job) }

// lines is how many of the last lines are shown without Since.
func (opts *Options) lines() int {
	if opts.Job != "" {
		return maxJobLines
	}
	return lastLines
}

func isPart(name string) bool {
	switch name {
	case "gateway", "auth", "converter", "notifier":
		return true
	}
	return false
}

func unknownPart(name string) error {
	return sx.NewError(sx.CodeUsage, "unknown part %q", name).WithHint("use gateway, auth, converter or notifier")
}

// inCluster shows the logs of the pods of an installation.
func (opts *Options) inCluster(ctx context.Context) error {
	at, err := kube.Connect(opts.Cluster.Target())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := newPrinter(opts, cancel)
	o := logs.Options{Part: opts.Part, Since: opts.Since, Follow: opts.Follow, Previous: opts.Job != ""}
	if o.Since == 0 && opts.Job == "" {
		o.Tail = lastLines
	}
	show, flush := p.print, func() {}
	if opts.Job != "" && !opts.Follow {
		show, flush = p.sorted()
	}
	err = logs.Stream(ctx, at, opts.Cluster.Release, o, func(l logs.Line) {
		r := parse(l.Text)
		if r.part == "" {
			r.part = l.Part
		}
		if opts.about(r) {
			show(r, l.Pod)
		}
	})
	flush()
	if p.err != nil {
		return fmt.Errorf("print the logs: %w", p.err)
	}
	return err
}
