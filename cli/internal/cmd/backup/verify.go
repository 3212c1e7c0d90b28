package backup

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

// VerifyOptions are the flags, arguments and dependencies of sx backup verify.
type VerifyOptions struct {
	IO   *term.IOStreams
	keys keys

	File string
	JSON bool
}

// NewCmdVerify returns the command; tests replace its run function with run.
func NewCmdVerify(f *cmdutil.Factory, run func(context.Context, *VerifyOptions) error) *cobra.Command {
	opts := &VerifyOptions{IO: f.IO}
	if run == nil {
		run = runVerify
	}
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a backup is complete and unchanged",
		Long: `Read a backup to its end and check that it is complete and unchanged. No server
is needed. FILE may be - for standard input.`,
		Example: `  sx backup verify -i key.txt backup.age
  restic dump latest stdin | sx backup verify -`,
		Args: cmdutil.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			return run(cmd.Context(), opts)
		},
	}
	opts.keys.add(cmd)
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print a summary of the backup as JSON")
	return cmd
}

func runVerify(ctx context.Context, opts *VerifyOptions) (err error) {
	in, err := opts.keys.open(opts.IO, opts.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	s, err := scan(ctx, in, io.Discard)
	if err != nil {
		return err
	}
	return report(opts.IO, opts.JSON, s, "The backup of "+s.Header.Created.Local().Format(createdFormat)+" is complete and unchanged")
}
