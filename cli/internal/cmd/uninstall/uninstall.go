// Package uninstall is the command sx uninstall.
package uninstall

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx uninstall.
type Options struct {
	IO *term.IOStreams

	Cluster cluster.Flags
	Wipe    bool
	Confirm string // the release's name; "" asks for it
	Yes     bool
	JSON    bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runUninstall
	}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove an installation from a cluster",
		Long: `Remove the release from the cluster. Lists what will be removed and asks for
confirmation. Waits until all pods have stopped: converters finish what they
convert first, which may take half an hour (converter.drainSeconds).

Volumes and secrets are kept, so that a later sx install finds all accounts,
videos and MP3s. With --wipe-data they are permanently deleted, and so is the
namespace if sx created it; confirm that with the release's name.`,
		Example: `  sx uninstall
  sx uninstall --yes
  sx uninstall --wipe-data --confirm soundextract`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.Wipe, "wipe-data", false, "also delete volumes and secrets, permanently")
	cmd.Flags().StringVar(&opts.Confirm, "confirm", "", "`RELEASE` name, to confirm --wipe-data")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation; data is kept")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each event as a line of JSON")
	return cmd
}

// check requires a terminal if the flags do not answer all questions.
func (opts *Options) check() error {
	switch {
	case opts.Confirm != "" && !opts.Wipe:
		return cmdutil.UsageErrorf("--confirm requires --wipe-data")
	case opts.Confirm != "" && opts.Confirm != opts.Cluster.Release:
		return cmdutil.UsageErrorf("--confirm %q does not match release %s; nothing was removed", opts.Confirm, opts.Cluster.Release)
	case opts.Wipe && opts.Confirm == "" && (opts.Yes || !opts.IO.InTTY):
		return cmdutil.UsageErrorf("--wipe-data permanently deletes all data: confirm it with --confirm %s", opts.Cluster.Release)
	case !opts.Wipe && !opts.Yes && !opts.IO.InTTY:
		return cmdutil.UsageErrorf("cannot ask for confirmation without a terminal; add --yes")
	}
	return nil
}

func runUninstall(ctx context.Context, opts *Options) error {
	reader, err := opts.Cluster.Installer(nil)
	if err != nil {
		return err
	}
	inventory, err := reader.Inventory(ctx)
	if err != nil {
		return err
	}
	if inventory.None() || !opts.Wipe && len(inventory.Objects) == 0 {
		opts.printNothing(reader, inventory)
		return nil
	}
	opts.printInventory(reader, inventory)
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
		return opts.removeContext(in)
	}
	return nil
}

// printNothing reports that there is nothing to remove, which is not an error.
func (opts *Options) printNothing(in *installer.Installer, inventory installer.Inventory) {
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "release %s is not installed in namespace %s\n", in.Release, in.Cluster.Namespace)
	if n := len(inventory.Volumes) + len(inventory.Secrets); n > 0 {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "its data still exists: %d volumes, %d secrets; to delete it: %s\n",
			len(inventory.Volumes), len(inventory.Secrets), opts.Cluster.Line("uninstall", "--wipe-data"))
	}
}

// removeContext removes the context of the removed installation.
func (opts *Options) removeContext(in *installer.Installer) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	if name := file.Installed(opts.Cluster.Location(in)); name != "" {
		file.Remove(name)
		return file.Save()
	}
	return nil
}

// printInventory lists what will be removed and what is kept.
func (opts *Options) printInventory(in *installer.Installer, inventory installer.Inventory) {
	if opts.JSON {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "removing release %s from namespace %s of context %s: %d objects\n", in.Release, in.Cluster.Namespace, in.Cluster.Context, len(inventory.Objects))
	volumes := make([]string, len(inventory.Volumes))
	for i, v := range inventory.Volumes {
		volumes[i] = fmt.Sprintf("%s (%s)", v.Name, v.Size)
	}
	what := "kept:"
	if opts.Wipe {
		what = "permanently deleted, with all accounts, videos and MP3s:"
	}
	if len(volumes)+len(inventory.Secrets) > 0 {
		fmt.Fprintln(&b, what)
		for _, v := range volumes {
			fmt.Fprintf(&b, "  volume %s\n", v)
		}
		for _, s := range inventory.Secrets {
			fmt.Fprintf(&b, "  secret %s\n", s)
		}
	}
	if opts.Wipe && inventory.Namespace {
		fmt.Fprintf(&b, "  namespace %s, if nothing else uses it\n", in.Cluster.Namespace)
	}
	_, _ = fmt.Fprint(opts.IO.ErrOut, b.String())
}

// ask asks for the confirmation that the flags do not give.
func (opts *Options) ask(ctx context.Context) (bool, error) {
	switch {
	case opts.Confirm != "" || opts.Yes && !opts.Wipe:
		return true, nil
	case !opts.Wipe:
		sure, err := term.Confirm(ctx, opts.IO, "Remove the installation?")
		if err == nil && !sure {
			_, _ = fmt.Fprintln(opts.IO.ErrOut, "nothing was removed")
		}
		return sure, err
	}
	name, err := term.PromptLine(ctx, opts.IO, fmt.Sprintf("Type the release name, %s, to delete it with its data: ", opts.Cluster.Release))
	if err != nil {
		return false, err
	}
	if name != opts.Cluster.Release {
		return false, sx.NewError(sx.CodeInvalid, "the release name does not match; nothing was removed").
			WithHint("run the command again, without --wipe-data to keep the data")
	}
	return true, nil
}
