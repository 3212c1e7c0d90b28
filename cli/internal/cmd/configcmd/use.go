package configcmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
)

// useOptions are the arguments and dependencies of sx config use.
type useOptions struct {
	IO *term.IOStreams

	Name string
	JSON bool
}

func newCmdUse(f *cmdutil.Factory, run func(context.Context, *useOptions) error) *cobra.Command {
	opts := &useOptions{IO: f.IO}
	if run == nil {
		run = runUse
	}
	cmd := &cobra.Command{
		Use:   "use NAME",
		Short: "Switch to another context",
		Long: `Switch to another context: the server that commands use. Contexts are stored in
the config file. sx up creates the context local; sx install creates one for
each installation.`,
		Example:           `  sx config use local`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the context as JSON")
	return cmd
}

func completeContexts(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	file, err := config.ReadUserFile()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return file.ContextNames(), cobra.ShellCompDirectiveNoFileComp
}

func runUse(_ context.Context, opts *useOptions) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	if err := file.Use(opts.Name); err != nil {
		return err
	}
	if err := file.Save(); err != nil {
		return err
	}
	server := file.Contexts[opts.Name].URL()
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Context string `json:"context"`
			Server  string `json:"server"`
		}{opts.Name, server})
	}
	return opts.IO.Printf("Switched to context %s (%s)\n", opts.Name, server)
}
