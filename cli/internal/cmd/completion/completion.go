// Package completion is the command sx completion.
package completion

import (
	"context"
	"fmt"

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

var shells = []string{"bash", "zsh", "fish"}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runCompletion
	}
	return &cobra.Command{
		Use:   "completion {bash | zsh | fish}",
		Short: "Print a shell completion script",
		Long: `Print a script that lets a shell complete sx's commands, flags and job IDs with
the tab key.`,
		Example: `  source <(sx completion bash)         # this shell only; or add it to ~/.bashrc
  sx completion zsh > "${fpath[1]}/_sx"
  sx completion fish > ~/.config/fish/completions/sx.fish`,
		Args:      cmdutil.UsageArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Root, opts.Shell = cmd.Root(), args[0]
			return run(cmd.Context(), opts)
		},
	}
}

func runCompletion(_ context.Context, opts *Options) error {
	var err error
	switch opts.Shell {
	case "bash":
		err = opts.Root.GenBashCompletionV2(opts.IO.Out, true)
	case "zsh":
		err = opts.Root.GenZshCompletion(opts.IO.Out)
	case "fish":
		err = opts.Root.GenFishCompletion(opts.IO.Out, true)
	}
	if err != nil {
		return fmt.Errorf("print the completion script: %w", err)
	}
	return nil
}
