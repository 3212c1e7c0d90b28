// Package history is the command sx history.
package history

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx history.
type Options struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)

	Cluster      cluster.Flags
	ClusterGiven bool // one of the flags in Cluster was given
	JSON         bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config}
	if run == nil {
		run = runHistory
	}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the revisions of an installation",
		Long: `List the revisions of an installation, newest first: each install, upgrade and
rollback creates one. The list says who made it, and which values differ from
those of the last working revision before it. The last ten are kept. sx rollback
returns to one.`,
		Example: `  sx history
  sx history --json`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.ClusterGiven = cluster.Given(cmd.Flags())
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each revision as a line of JSON")
	return cmd
}

func runHistory(ctx context.Context, opts *Options) error {
	kind, cfg, err := opts.Cluster.InUse(opts.ClusterGiven, opts.Config)
	if err != nil {
		return err
	}
	if kind == cluster.Local {
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "the local server has no revisions: only an installation in a cluster has them"),
			"list the jobs with: %s; for an installation in a cluster, name it with --context and --namespace", nextcmd.Command{"jobs"})
	}
	in, err := opts.Cluster.Installer(nil)
	if err != nil {
		return cluster.NoServer(err, opts.ClusterGiven, cfg)
	}
	all, err := in.History(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		for _, r := range all {
			if err := opts.IO.WriteJSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	return opts.print(all)
}

var colors = map[release.Status]string{release.Deployed: "32", release.Failed: "31", release.Pending: "33", release.Removing: "33"}

func (opts *Options) print(all []installer.Revision) error {
	columns := []term.Column{
		{Header: "REVISION", Right: true},
		{Header: "STATUS"},
		{Header: "VERSION"},
		{Header: "AGE", Right: true},
		{Header: "AUTHOR", Shrink: true},
		{Header: "CHANGES", Shrink: true},
	}
	rows := make([][]term.Cell, len(all))
	for i, r := range all {
		rows[i] = []term.Cell{
			term.TextCell(strconv.Itoa(r.Revision)),
			{Text: string(r.Status), Color: colors[r.Status]},
			term.TextCell(r.Version),
			{Text: term.FormatAge(time.Since(r.Updated)), Full: r.Updated.Format(time.RFC3339)},
			term.TextCell(r.Author),
			term.TextCell(changes(r)),
		}
	}
	return term.PrintTable(opts.IO, columns, rows)
}

// changes says what a revision has changed, or why it failed.
func changes(r installer.Revision) string {
	var parts []string
	if r.Status == release.Failed {
		parts = append(parts, r.Description)
	}
	for _, c := range r.Changes {
		parts = append(parts, c.String())
	}
	if r.Secrets {
		parts = append(parts, "secrets")
	}
	if len(parts) == 0 || strings.HasPrefix(r.Description, "Rollback") {
		parts = append([]string{r.Description}, parts...)
	}
	return strings.Join(parts, "; ")
}
