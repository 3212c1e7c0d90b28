package backup

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// SettingsOptions are the flags, arguments and dependencies of sx backup settings.
type SettingsOptions struct {
	IO   *term.IOStreams
	keys keys

	File string
}

// NewCmdSettings returns the command; tests replace its run function with run.
func NewCmdSettings(f *cmdutil.Factory, run func(context.Context, *SettingsOptions) error) *cobra.Command {
	opts := &SettingsOptions{IO: f.IO}
	if run == nil {
		run = runSettings
	}
	cmd := &cobra.Command{
		Use:   "settings FILE",
		Short: "Print the settings in a backup",
		Long: `Print the settings of the server that was backed up: the values of an
installation in a cluster, for sx install -f, or the settings of a local server
as JSON. Only the beginning of the backup is read.`,
		Example: `  sx backup settings -i key.txt backup.age > values.yaml
  sx install -n restored -f values.yaml`,
		Args: cmdutil.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			return run(cmd.Context(), opts)
		},
	}
	opts.keys.add(cmd)
	return cmd
}

func runSettings(ctx context.Context, opts *SettingsOptions) (err error) {
	in, err := opts.keys.open(opts.IO, opts.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	r, err := backup.NewReader(cancelable{ctx, in})
	if err != nil {
		return err
	}
	for {
		e, err := r.Next()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case err == nil && strings.HasPrefix(e.Name, backup.Values+"/"):
			_, err := opts.IO.Out.Write(e.Data)
			return err
		case err == nil && strings.HasPrefix(e.Name, backup.Secrets+"/"):
		default:
			return sx.NewError(sx.CodeNotFound, "the backup has no settings").
				WithHint("install with values of your own: %s", nextcmd.Line("sx", "install", "-f", "FILE"))
		}
	}
}
