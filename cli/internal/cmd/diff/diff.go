// Package diff is the command sx diff.
package diff

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
)

// Options are the flags, arguments and dependencies of sx diff.
type Options struct {
	IO *term.IOStreams

	Cluster cluster.Flags
	installer.InstallRequest
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runDiff
	}
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what an install would change",
		Long: `Show what sx install with the same flags would change in the cluster, object by
object, and which pods it would replace. The cluster performs a dry run, which
changes nothing; the contents of Secrets are hidden.

Drift is what somebody has changed in the cluster since the last install, and
what an install would revert.`,
		Example: `  sx diff
  sx diff --set converter.replicas=4
  sx diff --preset production --json`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cluster.AddValueFlags(cmd, &opts.Flags)
	cmd.Flags().BoolVar(&opts.Reset, "reset-values", false, "ignore the values of earlier installs")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each change as a line of JSON")
	return cmd
}

func runDiff(ctx context.Context, opts *Options) error {
	in, err := opts.Cluster.Installer(nil)
	if err != nil {
		return err
	}
	changes, err := in.Diff(ctx, opts.InstallRequest)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if opts.JSON {
			err = opts.IO.WriteJSON(c)
		} else if _, err = fmt.Fprint(opts.IO.Out, opts.painted(heading(c)+c.Diff)); err != nil {
			err = fmt.Errorf("print the changes: %w", err)
		}
		if err != nil {
			return err
		}
	}
	if !opts.JSON {
		opts.summarise(in, changes)
	}
	return nil
}

// heading returns the line above a diff, with what the diff itself does not show.
func heading(c installer.Change) string {
	if !c.Drift {
		return ""
	}
	if c.Change == "added" {
		return "# drift: " + c.Object + " has been deleted since the last install\n"
	}
	return "# drift: " + c.Object + " has been changed in the cluster since the last install\n"
}

// summarise says which pods an install would replace, those of MongoDB and RabbitMQ
// first.
func (opts *Options) summarise(in *installer.Installer, changes []installer.Change) {
	if len(changes) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no changes")
		return
	}
	var services []string
	for _, c := range changes {
		kind, name, _ := strings.Cut(c.Object, "/")
		switch {
		case c.Restarts == "":
		case kind == "StatefulSet":
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "restarts: %s: %s\n", name, c.Restarts)
		default:
			services = append(services, strings.TrimPrefix(name, in.Release+"-"))
		}
	}
	if len(services) > 0 {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "replaces the pods, one at a time, of: %s\n", strings.Join(services, ", "))
	}
}

// painted colours a unified diff for a terminal.
func (opts *Options) painted(text string) string {
	if !opts.IO.OutTTY || !opts.IO.Color {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		sgr := ""
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			sgr = "1"
		case strings.HasPrefix(line, "+"):
			sgr = "32"
		case strings.HasPrefix(line, "-"):
			sgr = "31"
		case strings.HasPrefix(line, "@@"):
			sgr = "36"
		case strings.HasPrefix(line, "# "):
			sgr = "33"
		}
		if sgr != "" {
			line = "\x1b[" + sgr + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
