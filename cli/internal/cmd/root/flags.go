package root

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/jq"
	"github.com/soundextract/sx/cli/internal/term"
)

// commonFlags are flags of all commands.
type commonFlags struct{ quiet, verbose bool }

func (c *commonFlags) add(fs *pflag.FlagSet) {
	fs.BoolVarP(&c.quiet, "quiet", "q", false, "print only results and errors")
	fs.BoolVarP(&c.verbose, "verbose", "v", false, "also print reasons, such as why a whole file is sent")
}

// addJQ adds --jq to each command that has --json.
func addJQ(cmd *cobra.Command) {
	if cmd.Flags().Lookup("json") != nil {
		cmd.Flags().String("jq", "", "filter the JSON with the jq expression `EXPR`")
		_ = cmd.RegisterFlagCompletionFunc("jq", cobra.NoFileCompletions)
	}
	for _, c := range cmd.Commands() {
		addJQ(c)
	}
}

// apply prepares the streams for a run of cmd.
func (c *commonFlags) apply(cmd *cobra.Command, streams *term.IOStreams) error {
	if c.quiet && c.verbose {
		return cmdutil.UsageErrorf("--quiet and --verbose are mutually exclusive")
	}
	streams.Verbose = c.verbose
	json := cmd.Flags().Lookup("json")
	if expression := cmd.Flags().Lookup("jq"); expression != nil && expression.Changed {
		filter, err := jq.Compile(expression.Value.String())
		if err != nil {
			return err
		}
		streams.Filter = filter.Apply
		if err := json.Value.Set("true"); err != nil {
			return err
		}
	}
	streams.JSON = json != nil && json.Value.String() == "true"
	if c.quiet || streams.JSON {
		streams.Mute()
	}
	return nil
}
