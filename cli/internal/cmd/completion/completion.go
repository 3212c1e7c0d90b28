// Package completion is the command sx completion.
package completion

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

// Options are the flags, arguments and dependencies of sx completion.
type Options struct {
	IO   *term.IOStreams
	Root *cobra.Command

	Shell string // one of the shells
}

var shells = []string{"bash", "zsh", "fish", "powershell"}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runCompletion
	}
	return &cobra.Command{
		Use:   "completion {bash | zsh | fish | powershell}",
		Short: "Print a shell completion script",
		Long: `Print a script that lets a shell complete with the tab key: commands, flags,
presets, and the names and IDs of jobs, tokens, accounts and contexts.`,
		Example: `  source <(sx completion bash)         # this shell only; or add it to ~/.bashrc
  sx completion zsh > "${fpath[1]}/_sx"
  sx completion fish > ~/.config/fish/completions/sx.fish
  sx completion powershell >> $PROFILE`,
		Args:      cmdutil.UsageArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Root, opts.Shell = cmd.Root(), args[0]
			return run(cmd.Context(), opts)
		},
	}
}

func runCompletion(_ context.Context, opts *Options) error {
	return Write(opts.IO.Out, opts.Root, opts.Shell)
}

// Write writes the script of root for one of the shells.
func Write(out io.Writer, root *cobra.Command, shell string) error {
	var err error
	switch shell {
	case "bash":
		err = bash(root, out)
	case "zsh":
		err = root.GenZshCompletion(out)
	case "fish":
		err = root.GenFishCompletion(out, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(out)
	}
	if err != nil {
		return fmt.Errorf("print the completion script: %w", err)
	}
	return nil
}
