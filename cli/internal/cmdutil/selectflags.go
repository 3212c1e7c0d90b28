package cmdutil

import (
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/mediafiles"
)

// AddSelectFlags adds the flags that select files of directories. read returns what was
// given.
func AddSelectFlags(cmd *cobra.Command) (read func() (mediafiles.Select, error)) {
	var include, exclude []string
	cmd.Flags().StringArrayVar(&include, "include", nil, "only files that match `PATTERN`, such as '*.mkv'; can be repeated")
	cmd.Flags().StringArrayVar(&exclude, "exclude", nil, "skip files that match `PATTERN`, such as 'drafts/'; can be repeated")
	_ = cmd.RegisterFlagCompletionFunc("include", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("exclude", cobra.NoFileCompletions)
	return func() (mediafiles.Select, error) { return mediafiles.NewSelect(include, exclude) }
}
