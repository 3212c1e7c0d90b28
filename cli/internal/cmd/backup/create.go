package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// CreateOptions are the flags, arguments and dependencies of sx backup create.
type CreateOptions struct {
	IO     *term.IOStreams
	Target Target

	Output     string
	Recipients []string
	Files      []string // with recipients
	Plaintext  bool
	JSON       bool
}

// NewCmdCreate returns the command; tests replace its run function with run.
func NewCmdCreate(f *cmdutil.Factory, run func(context.Context, *CreateOptions) error) *cobra.Command {
	opts := &CreateOptions{IO: f.IO}
	if run == nil {
		run = runCreate
	}
	cmd := &cobra.Command{
		Use:   "create -o FILE",
		Short: "Create a backup",
		Long: `Create a backup, encrypted to recipients, while the server is in use. Each job
in it is complete; what is uploaded after it was started is not included.

The output appears under its name only once it is complete. With -o - it is
written to standard output. With --plaintext it is not encrypted: pipe it into a
program that encrypts it, such as restic.`,
		Example: `  sx backup create -r age1… -o backup.age
  sx backup create -R recipients.txt -o - | rclone rcat remote:backup.age
  sx backup create --plaintext -o - | restic backup --stdin`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(opts.Target.check(cmd), opts.check()); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Target.add(cmd, f)
	cmd.Flags().StringVarP(&opts.Output, "output", "o", "", "write the backup to `FILE`; - is standard output")
	cmd.Flags().StringArrayVarP(&opts.Recipients, "recipient", "r", nil, "encrypt to `RECIPIENT` (age1…); can be repeated")
	cmd.Flags().StringArrayVarP(&opts.Files, "recipients-file", "R", nil, "encrypt to the recipients in `FILE`, one per line; can be repeated")
	cmd.Flags().BoolVar(&opts.Plaintext, "plaintext", false, "do not encrypt the backup; only with -o -")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print a summary of the backup as JSON")
	return cmd
}

func (opts *CreateOptions) check() error {
	encrypted := len(opts.Recipients)+len(opts.Files) > 0
	switch {
	case opts.Output == "":
		return cmdutil.UsageErrorf("no output; name a file with -o, or - for standard output")
	case opts.Plaintext && encrypted:
		return cmdutil.UsageErrorf("--plaintext and recipients are mutually exclusive")
	case opts.Plaintext && opts.Output != stdio:
		return cmdutil.UsageErrorf("--plaintext requires -o -").
			WithHint("pipe the backup into a program that encrypts it, or name a recipient with -r")
	case !opts.Plaintext && !encrypted:
		return cmdutil.UsageErrorf("no recipient; a backup has secrets and is encrypted").
			WithHint("make a key with age-keygen and name its recipient with -r, or pipe the backup with --plaintext -o - into a program that encrypts it")
	case opts.Output == stdio && opts.IO.OutTTY:
		return cmdutil.UsageErrorf("standard output is a terminal; name a file with -o")
	case opts.Output == stdio && opts.JSON:
		return cmdutil.UsageErrorf("--json and -o - are mutually exclusive")
	}
	return nil
}

func runCreate(ctx context.Context, opts *CreateOptions) error {
	recipients, err := opts.recipients()
	if err != nil {
		return err
	}
	if opts.Output == stdio {
		s, err := opts.create(ctx, recipients, opts.IO.Out)
		if err != nil {
			return err
		}
		streams := *opts.IO
		streams.Out = opts.IO.ErrOut
		return report(&streams, false, s, "Backup written")
	}
	if _, err := os.Lstat(opts.Output); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return sx.NewError(sx.CodeInvalid, "%s already exists", opts.Output).WithHint("choose another name")
	}
	if err := atomicfile.Clean(opts.Output); err != nil {
		return fmt.Errorf("clean up after an interrupted backup: %w", err)
	}
	file, err := atomicfile.Create(opts.Output)
	if err != nil {
		return sx.NewError(sx.CodeInvalid, "the backup cannot be written: %s", err).WithCause(err).WithHint("choose another file with -o")
	}
	s, err := opts.create(ctx, recipients, file)
	if err == nil {
		err = atomicfile.Commit(file, opts.Output)
	} else {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}
	if err != nil {
		return err
	}
	return report(opts.IO, opts.JSON, s, opts.Output)
}

func (opts *CreateOptions) recipients() (list []age.Recipient, err error) {
	const hint = "a recipient is the public key that age-keygen prints, and begins with age1"
	for _, text := range opts.Recipients {
		found, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "invalid recipient %q", text).WithCause(err).WithHint(hint)
		}
		list = append(list, found...)
	}
	for _, file := range opts.Files {
		found, err := parseFile(file, age.ParseRecipients)
		if err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "the recipients in %s cannot be used: %s", file, err).WithCause(err).WithHint(hint)
		}
		list = append(list, found...)
	}
	return list, nil
}

// create writes the backup and verifies it at the same time.
func (opts *CreateOptions) create(ctx context.Context, recipients []age.Recipient, out io.Writer) (s backup.Summary, err error) {
	dir, err := opts.Target.local()
	if err != nil {
		return s, err
	}
	var in io.ReadCloser
	if dir != "" {
		in, err = localserver.OpenBackup(ctx, dir)
	} else {
		in, err = opts.Target.openCluster(ctx)
	}
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if len(recipients) == 0 {
		return scan(ctx, in, out)
	}
	sealed, err := backup.Encrypt(out, recipients)
	if err != nil {
		return s, err
	}
	if s, err = scan(ctx, in, sealed); err != nil {
		return s, err
	}
	return s, sealed.Close()
}
