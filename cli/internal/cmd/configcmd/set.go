package configcmd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
)

// setOptions are the arguments and dependencies of sx config set and unset.
type setOptions struct {
	IO *term.IOStreams

	Key   string
	Value string // "" removes the setting
	JSON  bool
}

func newCmdSet(f *cmdutil.Factory, run func(context.Context, *setOptions) error) *cobra.Command {
	opts := &setOptions{IO: f.IO}
	if run == nil {
		run = runSet
	}
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Change a setting in the config file",
		Long: `Change a setting in the config file:

` + settingsHelp(),
		Example: `  sx config set preset speech
  sx config set output ~/Music/lectures
  sx config set server https://sound.example.com`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(2)),
		ValidArgsFunction: completeSetting,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key, opts.Value = args[0], strings.TrimSpace(args[1])
			if opts.Value == "" {
				return cmdutil.UsageErrorf("the value is empty").WithHint("to return to the default, use: %s", nextcmd.Line("sx", "config", "unset", opts.Key))
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the setting as JSON")
	return cmd
}

func newCmdUnset(f *cmdutil.Factory, run func(context.Context, *setOptions) error) *cobra.Command {
	opts := &setOptions{IO: f.IO}
	if run == nil {
		run = runSet
	}
	cmd := &cobra.Command{
		Use:   "unset KEY",
		Short: "Return a setting to its default",
		Long:  `Remove a setting from the config file, so that its default applies again.`,
		Example: `  sx config unset preset
  sx config unset server`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the setting as JSON")
	return cmd
}

// settable returns the settings that can be in the config file.
func settable() []config.Setting {
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return s.Key == "token" })
}

func settingsHelp() string {
	var b strings.Builder
	for _, s := range settable() {
		_, _ = fmt.Fprintf(&b, "  %-15s%s\n", s.Key, s.Usage)
	}
	return strings.TrimRight(b.String(), "\n")
}

// completeKey completes the key of a setting.
func completeKey(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	if len(args) == 0 {
		for _, s := range settable() {
			found = append(found, cobra.CompletionWithDesc(s.Key, s.Usage))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeSetting completes the key and then the value, as far as its values are known.
func completeSetting(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return completeKey(cmd, args, toComplete)
	}
	var found []cobra.Completion
	switch args[0] {
	case "output":
		return nil, cobra.ShellCompDirectiveFilterDirs
	case "context", "server":
		file, err := config.ReadUserFile()
		if err != nil {
			break
		}
		for _, name := range file.ContextNames() {
			server := file.Contexts[name].Server
			switch {
			case args[0] == "context":
				found = append(found, cobra.CompletionWithDesc(name, server))
			case server != "":
				found = append(found, cobra.CompletionWithDesc(server, "of the context "+name))
			}
		}
	case "preset":
		found = cmdutil.PresetCompletions()
	case "credentials":
		found = []cobra.Completion{
			cobra.CompletionWithDesc(config.CredentialsAuto, "the system's keyring, or a file if there is none"),
			cobra.CompletionWithDesc(config.CredentialsFile, "a file"),
		}
	case "parallel", "retry-timeout":
		for _, s := range settable() {
			if s.Key == args[0] {
				found = []cobra.Completion{cobra.CompletionWithDesc(s.Default, "the default")}
			}
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func runSet(_ context.Context, opts *setOptions) error {
	if !slices.ContainsFunc(settable(), func(s config.Setting) bool { return s.Key == opts.Key }) {
		keys := []string{}
		for _, s := range settable() {
			keys = append(keys, s.Key)
		}
		return cmdutil.UsageErrorf("unknown setting %q", opts.Key).WithHint("use one of: %s", strings.Join(keys, ", "))
	}
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	if opts.Value == "" {
		file.Unset(opts.Key)
	} else {
		value := opts.Value
		if opts.Key == "output" && value != "-" {
			if value, err = filepath.Abs(value); err != nil {
				return cmdutil.UsageErrorf("invalid directory %q", opts.Value)
			}
		}
		file.Set(opts.Key, value)
		opts.Value = value
	}
	if err := file.Check(); err != nil {
		return err
	}
	if err := file.Save(); err != nil {
		return err
	}
	return opts.print()
}

func (opts *setOptions) print() error {
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Key   string `json:"key"`
			Value string `json:"value"` // "" if it was removed
		}{opts.Key, opts.Value})
	}
	text := fmt.Sprintf("Set %s to %s", opts.Key, opts.Value)
	if opts.Value == "" {
		text = "Removed " + opts.Key
	}
	if err := opts.IO.Printf("%s\n", text); err != nil {
		return err
	}
	// A flag or a variable may still override it.
	if c, err := config.Load(nil); err == nil {
		for _, v := range c.Values {
			if v.Key == opts.Key && strings.HasPrefix(v.Source, "SX_") {
				_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: %s still overrides it\n", v.Source)
			}
		}
	}
	return nil
}
