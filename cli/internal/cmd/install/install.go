// Package install is the command sx install.
package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
)

// Options are the flags, arguments and dependencies of sx install.
type Options struct {
	IO      *term.IOStreams
	Config  func() (*config.Config, error)
	Account func() (*session.Account, error)

	Cluster cluster.Flags
	installer.InstallOptions
	DryRun bool
	JSON   bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Account: f.Account}
	if run == nil {
		run = runInstall
	}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install into a Kubernetes cluster, or upgrade",
		Long: `Install SoundExtract into the cluster of your kubeconfig, or upgrade it. If an
earlier run was interrupted, run it again to finish.

The cluster is checked before anything is changed. Values of earlier installs
are kept unless --reset-values is given; those of an attempt that failed are
not. A first install uses the preset quickstart, a small one; after an uninstall
that kept the data, it uses the values from before. Secrets are generated once
and kept.

Afterwards, the new installation is sx's current context, reached through a
port-forward, so that sx convert works immediately. At a terminal, the
administrator's account is created (its name is the value auth.admin);
elsewhere, the commands to do so are printed. Others need an invitation.`,
		Example: `  sx install
  sx install --preset production -n sound
  sx install --set gateway.replicas=2    # change one value, keep the rest
  sx install --dry-run > manifests.yaml`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.RollbackOnFailure && !opts.Wait {
				return cmdutil.UsageErrorf("--rollback-on-failure requires --wait: without it, nobody notices a failure")
			}
			if opts.DryRun && opts.JSON {
				return cmdutil.UsageErrorf("--dry-run and --json are mutually exclusive: --dry-run prints YAML")
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cluster.AddValueFlags(cmd, &opts.Flags)
	flags := cmd.Flags()
	flags.BoolVar(&opts.Reset, "reset-values", false, "discard the values of earlier installs")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "print the manifests after a server-side dry run; change nothing")
	flags.BoolVar(&opts.RollbackOnFailure, "rollback-on-failure", false, "if it fails, roll back to the last revision that worked")
	flags.BoolVar(&opts.Wait, "wait", true, "wait until everything is ready")
	flags.DurationVar(&opts.Timeout, "timeout", cluster.DefaultTimeout, "wait at most `TIME`, such as 90s or 15m")
	flags.BoolVar(&opts.JSON, "json", false, "print each event as a line of JSON")
	return cmd
}

func runInstall(ctx context.Context, opts *Options) error {
	if opts.DryRun {
		return runDry(ctx, opts)
	}
	display := cluster.NewRolloutDisplay(opts.IO, opts.JSON)
	in, info, err := opts.install(ctx, display)
	if err == nil {
		err = opts.use(in, display)
	}
	display.Close()
	if err != nil {
		opts.offerBundle(err)
		return err
	}
	return opts.print(ctx, in, info)
}

func (opts *Options) install(ctx context.Context, display cluster.RolloutDisplay) (*installer.Installer, release.Info, error) {
	in, err := opts.Cluster.Installer(display.Show)
	if err != nil {
		return nil, release.Info{}, err
	}
	info, err := in.Install(ctx, opts.InstallOptions)
	return in, info, err
}

func runDry(ctx context.Context, opts *Options) error {
	in, err := opts.Cluster.Installer(nil)
	if err != nil {
		return err
	}
	text, checked, err := in.Manifest(ctx, opts.InstallRequest)
	if text != "" {
		if err := opts.IO.Printf("%s", text); err != nil {
			return err
		}
	}
	if err == nil && !checked {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: namespace %s does not exist yet, so the cluster only validated the schema\n", in.Cluster.Namespace)
	}
	return err
}

// offerBundle suggests the command that collects what others need to diagnose a
// failure.
func (opts *Options) offerBundle(err error) {
	var problem *watch.Problem
	if errors.As(err, &problem) && !opts.JSON {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "to share the details, collect them with: %s\n", opts.Cluster.Line("support-bundle"))
	}
}

func (opts *Options) print(ctx context.Context, in *installer.Installer, info release.Info) error {
	if opts.JSON {
		return nil // the events contain it
	}
	ready := "is running"
	if !opts.Wait {
		ready = "is starting"
	}
	if err := opts.IO.Printf("SoundExtract %s %s in namespace %s (revision %d)\n",
		info.Version, ready, in.Cluster.Namespace, info.Revision); err != nil {
		return err
	}
	if explained, err := opts.administrator(ctx, in); explained || err != nil {
		return err
	}
	next := nextcmd.Line("sx", "login") + "\n      then: " + nextcmd.Line("sx", "convert", "VIDEO")
	switch {
	case !opts.Wait:
		next = opts.Cluster.Line("status", "--wait")
	case info.Revision > 1:
		next = opts.Cluster.Line("status")
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "next: %s\n", next)
	return nil
}

// event returns the event of a completed step of the command itself.
func event(step, detail string) installer.Event {
	return installer.Event{Step: step, State: installer.Done, Detail: detail, Time: time.Now().UTC()}
}

// use switches to the context of the installation, which it creates if necessary.
func (opts *Options) use(in *installer.Installer, display cluster.RolloutDisplay) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	at := opts.Cluster.Location(in)
	name := file.NameFor(at, cluster.DefaultLocation())
	if err := file.Put(name, config.Context{Kubernetes: at}); err != nil {
		return err
	}
	if err := file.Save(); err != nil {
		return err
	}
	display.Show(event("switch context", name))
	return nil
}
