// Package uninstall is the command sx uninstall.
package uninstall

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
)

// Options are what sx uninstall works with.
type Options struct {
	IO *term.IOStreams

	Cluster cluster.Flags
	Wipe    bool
	Confirm string // the release's name; "" asks for it
	Yes     bool
	JSON    bool
}

// NewCmd makes the command; run is nil but in tests.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove an installation from a cluster",
		Long: `Remove the release from the cluster. It says what goes, and asks.

Volumes and secrets stay, so that sx install finds all accounts, videos and
MP3s again. With --wipe-data they are deleted too, for ever, and so is the
namespace if sx made it; that has to be confirmed by the release's name.`,
		Example: `  sx uninstall
  sx uninstall --yes
  sx uninstall --wipe-data --confirm soundextract`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(); err != nil {
				return err
			}
			if run != nil {
				return run(cmd.Context(), opts)
			}
			return uninstallRun(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.Wipe, "wipe-data", false, "delete the volumes and the secrets too")
	cmd.Flags().StringVar(&opts.Confirm, "confirm", "", "the `RELEASE`'s name, to confirm --wipe-data")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask; the data stay")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each event as JSON, one a line")
	return cmd
}

// check finds out whether somebody is there to be asked what the flags leave open.
func (o *Options) check() error {
	switch {
	case o.Confirm != "" && !o.Wipe:
		return cmdutil.UsageErrorf("--confirm goes with --wipe-data alone")
	case o.Confirm != "" && o.Confirm != o.Cluster.Release:
		return cmdutil.UsageErrorf("--confirm is %q, and the release is %s: nothing was removed", o.Confirm, o.Cluster.Release)
	case o.Wipe && o.Confirm == "" && (o.Yes || !o.IO.InTTY):
		return cmdutil.UsageErrorf("--wipe-data deletes everything for ever: confirm it with --confirm %s", o.Cluster.Release)
	case !o.Wipe && !o.Yes && !o.IO.InTTY:
		return cmdutil.UsageErrorf("nobody is here to be asked: add --yes")
	}
	return nil
}

func uninstallRun(ctx context.Context, opts *Options) error {
	look, err := opts.Cluster.Installer(nil)
	if err != nil {
		return err
	}
	there, err := look.Inventory(ctx)
	if err != nil {
		return err
	}
	if there.None() || !opts.Wipe && len(there.Objects) == 0 {
		return opts.nothing(look, there)
	}
	opts.say(look, there)
	if sure, err := opts.ask(ctx); err != nil || !sure {
		return err
	}
	display := cluster.NewRolloutDisplay(opts.IO, opts.JSON)
	defer display.Close()
	in, err := opts.Cluster.Installer(display.Show)
	if err != nil {
		return err
	}
	if err := in.Uninstall(ctx, opts.Wipe); err != nil {
		return err
	}
	if opts.Wipe {
		return opts.forget(in)
	}
	return nil
}

// nothing says that there is nothing to do, which is success.
func (o *Options) nothing(in *installer.Installer, there installer.Inventory) error {
	_, _ = fmt.Fprintf(o.IO.ErrOut, "no release %s is installed in the namespace %s\n", in.Release, in.Cluster.Namespace)
	if n := len(there.Volumes) + len(there.Secrets); n > 0 {
		_, _ = fmt.Fprintf(o.IO.ErrOut, "its data are there: %d volumes, %d secrets; to delete them: %s\n",
			len(there.Volumes), len(there.Secrets), o.Cluster.Line("uninstall --wipe-data"))
	}
	return nil
}

// forget removes the context of the installation that is no more.
func (o *Options) forget(in *installer.Installer) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	if name := file.Installed(o.Cluster.Place(in)); name != "" {
		file.Remove(name)
		return file.Save()
	}
	return nil
}
