// Package doctor is the command sx doctor.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx doctor.
type Options struct {
	IO      *term.IOStreams
	Config  func() (*config.Config, error)
	Checkup func(cluster *kube.Cluster, release string) *Checkup

	Cluster      cluster.Flags
	ClusterGiven bool // one of the flags in Cluster was given
	Values       values.Flags
	ValuesGiven  bool // one of the flags in Values was given
	Role         bool
	JSON         bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Checkup: func(cluster *kube.Cluster, release string) *Checkup {
		return NewCheckup(f, cluster, release)
	}}
	if run == nil {
		run = runDoctor
	}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the server in use, or a cluster for an installation",
		Long: `Check the local server if it is the one in use: its programs, its data
directory, and whether it is ready.

Otherwise check whether a cluster can run SoundExtract: permissions, room on the
nodes, quotas, storage, and what the values need, such as an Ingress class. The
flags for values are those of sx install. If it is installed, also check whether
it works: workloads, queues, database, volumes, secrets, certificates, and
whether an interrupted upload keeps what was sent. The flags for clusters choose
an installation. Nothing is changed. docs/checks.md describes each check.

With --role, print the permissions that sx needs, as YAML that an administrator
of the cluster can apply, and check nothing.

The server's public address is checked if the current context is this
installation (sx install sets it) or with --server URL. The upload check needs
a signed-in account.

The exit code is 79 if a check finds a problem: fatal (SoundExtract does not
work or cannot be installed) or a warning (it works for now). Skipped checks
do not count. With --json, each result is a line.`,
		Example: `  sx doctor
  sx doctor -n music --server https://sx.example.org
  sx doctor --preset production -f values.yaml
  sx doctor --role -n music >role.yaml
  sx doctor --json | jq 'select(.outcome == "fatal")'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.ClusterGiven = cluster.Given(cmd.Flags())
			opts.ValuesGiven = cluster.ValuesGiven(cmd.Flags())
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cluster.AddValueFlags(cmd, &opts.Values)
	cmd.Flags().BoolVar(&opts.Role, "role", false, "print the permissions that sx needs, as YAML")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each result as JSON")
	return cmd
}

func runDoctor(ctx context.Context, opts *Options) error {
	kind, cfg, err := opts.Cluster.InUse(opts.ClusterGiven, opts.Config)
	if err != nil {
		return err
	}
	if opts.ValuesGiven || opts.Role { // they are about a cluster
		kind = cluster.InCluster
	}
	p := &printer{io: opts.IO, json: opts.JSON}
	again := nextcmd.Line("sx", "doctor")
	var results []check.Result
	if kind == cluster.Local {
		results = checkLocal(ctx, cfg.Data)
		for _, r := range results {
			p.show(r)
		}
	} else {
		at, err := kube.Connect(opts.Cluster.Target())
		if err != nil {
			return cluster.NoServer(err, opts.ClusterGiven, cfg)
		}
		checkup := opts.Checkup(at, opts.Cluster.Release)
		checkup.Request.Flags, checkup.Given = opts.Values, opts.ValuesGiven
		if opts.Role {
			return opts.printRole(ctx, checkup)
		}
		if results, err = checkup.Run(ctx, p.show); err != nil {
			return err
		}
		again = opts.Cluster.Line("doctor")
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
	return sx.NewError(sx.CodeProblems, "the checks found %s", count(found)).
		WithHint("follow the advice for each problem, then check again with: %s", again)
}

func (opts *Options) printRole(ctx context.Context, checkup *Checkup) error {
	role, err := checkup.Role(ctx)
	if err != nil {
		return err
	}
	return opts.IO.Printf("%s", role)
}

// count returns the number of problems in words: 1 fatal problem and 2 warnings.
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

// printer prints each result when it is known: in columns at a terminal, otherwise in
// full, with tabs between ID, outcome, description, message and hint.
type printer struct {
	io      *term.IOStreams
	json    bool
	started bool
	err     error // the first write error
}

// colors are the SGR codes of the outcomes that are coloured.
var colors = map[check.Outcome]string{check.OK: "32", check.FoundWarning: "33", check.FoundFatal: "31"}

func (p *printer) show(r check.Result) {
	if p.err != nil {
		return
	}
	switch {
	case p.json:
		p.err = p.io.WriteJSON(r)
	case p.io.OutTTY:
		p.write(p.columns(r))
	default:
		clean := strings.NewReplacer("\t", " ", "\n", " ")
		p.write(fmt.Sprintf("%s\t%s\t%s\t%s\t%s\n", r.ID, r.Outcome, r.Description, clean.Replace(r.Message), clean.Replace(r.Hint)))
	}
}

func (p *printer) write(text string) { _, p.err = io.WriteString(p.io.Out, text) }

// The widths of the first two columns, gaps included. The longest ID is
// interrupted-upload, the longest outcome skipped.
const (
	idWidth      = 20
	outcomeWidth = 9
	minTextWidth = 20
)

// columns formats a result: the description of a check that passed, otherwise the
// message, and below it the hint.
func (p *printer) columns(r check.Result) string {
	var b strings.Builder
	if !p.started {
		p.started = true
		_, _ = fmt.Fprintf(&b, "%-*s%s\n", idWidth, "CHECK", "RESULT")
	}
	text := r.Message
	if r.Outcome == check.OK {
		text = r.Description
	}
	width, _ := p.io.Size()
	indent := idWidth + outcomeWidth
	below := width-indent < minTextWidth // the text is below the outcome
	if below {
		indent = 2
	}
	lines := term.Wrap(text, width-indent)
	if r.Hint != "" {
		for i, line := range term.Wrap(r.Hint, width-indent-2) {
			lines = append(lines, []string{"→ ", "  "}[min(i, 1)]+line)
		}
	}
	outcome := string(r.Outcome)
	if !below {
		outcome = fmt.Sprintf("%-*s", outcomeWidth, outcome)
	}
	if color := colors[r.Outcome]; color != "" && p.io.Color {
		outcome = "\x1b[" + color + "m" + outcome + "\x1b[0m"
	}
	_, _ = fmt.Fprintf(&b, "%-*s%s", idWidth, r.ID, outcome)
	if below {
		b.WriteByte('\n')
	} else {
		_, _ = fmt.Fprintln(&b, lines[0])
		lines = lines[1:]
	}
	for _, line := range lines {
		_, _ = fmt.Fprintf(&b, "%*s%s\n", indent, "", line)
	}
	return b.String()
}
