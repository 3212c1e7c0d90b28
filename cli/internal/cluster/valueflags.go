package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/values"
)

// AddValueFlags adds the flags to a command; they set f.
func AddValueFlags(cmd *cobra.Command, f *values.Flags) {
	flags := cmd.Flags()
	flags.Var((*preset)(&f.Preset), "preset", "start from a `PRESET`: "+strings.Join(chart.Presets(), " or "))
	flags.StringArrayVarP(&f.Files, "values", "f", nil, "`FILE` of values in YAML; can be repeated, the last one wins")
	flags.StringArrayVar(&f.Set, "set", nil, "set `KEY=VALUE`, such as gateway.replicas=2")
	flags.StringArrayVar(&f.SetString, "set-string", nil, "set `KEY=VALUE` as a string")
	flags.StringArrayVar(&f.SetFile, "set-file", nil, "set `KEY=PATH` to the contents of a file")
	flags.StringVar(&f.ImageRegistry, "image-registry", "", "pull all images from this `REGISTRY`")
	flags.StringVar(&f.ImagePullSecret, "image-pull-secret", "", "image pull `SECRET`")
	// Fails only for a flag that does not exist.
	_ = cmd.MarkFlagFilename("values", "yaml", "yml")
	_ = cmd.RegisterFlagCompletionFunc("preset", cobra.FixedCompletions(chart.Presets(), cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"set", "set-string", "image-registry", "image-pull-secret"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// preset is a flag value that accepts only presets.
type preset string

func (p *preset) String() string { return string(*p) }
func (*preset) Type() string     { return "string" }

func (p *preset) Set(name string) error {
	if !slices.Contains(chart.Presets(), name) {
		return fmt.Errorf("use one of: %s", strings.Join(chart.Presets(), " and "))
	}
	*p = preset(name)
	return nil
}
