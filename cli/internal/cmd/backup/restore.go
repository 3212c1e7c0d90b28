package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// RestoreOptions are the flags, arguments and dependencies of sx backup restore.
type RestoreOptions struct {
	IO     *term.IOStreams
	Target Target
	keys   keys

	File string
	JSON bool
}

// NewCmdRestore returns the command; tests replace its run function with run.
func NewCmdRestore(f *cmdutil.Factory, run func(context.Context, *RestoreOptions) error) *cobra.Command {
	opts := &RestoreOptions{IO: f.IO}
	if run == nil {
		run = runRestore
	}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore a backup into an empty server",
		Long: `Restore a backup into an empty data directory of a local server, or into an
installation in a cluster that has no jobs and at most one account. A backup of
either can be restored into the other. FILE may be - for standard input.

Everything continues afterwards: MP3s are served, unfinished uploads can be
continued, waiting videos are converted, people stay signed in, and pending
notifications are sent. In a cluster, the services are stopped during the
restore.

Accounts, passwords, personal tokens, links and feeds are as they were when the
backup was created. Revoke, disable, delete or change again what has been since
then.`,
		Example: `  sx backup restore -i key.txt --data restored backup.age
  sx backup restore -i key.txt -n restored backup.age`,
		Args: cmdutil.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			if err := opts.Target.check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Target.add(cmd, f)
	opts.keys.add(cmd)
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print what was restored as JSON")
	return cmd
}

func runRestore(ctx context.Context, opts *RestoreOptions) (err error) {
	dir, err := opts.Target.local()
	if err != nil {
		return err
	}
	if dir != "" {
		if running, err := localserver.Running(ctx, dir); err != nil {
			return err
		} else if running != nil {
			return sx.NewError(sx.CodeConflict, "the server of %s runs; a backup is restored only into an empty directory", dir).
				WithHint("name another directory with --data")
		}
	}
	in, err := opts.keys.open(opts.IO, opts.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	var s backup.Summary
	if dir != "" {
		s, err = localserver.RestoreBackup(ctx, dir, cancelable{ctx, in})
	} else {
		s, err = opts.Target.restoreCluster(ctx, opts.IO, cancelable{ctx, in})
	}
	if err != nil {
		return err
	}
	if !opts.JSON {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "Accounts, tokens, links and feeds are as of %s; repeat what was revoked, disabled or deleted since then\n",
			s.Header.Created.Local().Format(createdFormat))
	}
	if err := report(opts.IO, opts.JSON, s, "Restored"); err != nil {
		return err
	}
	if dir != "" && !opts.JSON {
		_, err = fmt.Fprintf(opts.IO.ErrOut, "Start the server with: %s\n", nextcmd.Line("sx", "up", "--data", dir))
	}
	return err
}
