// Package backup holds the commands sx backup ….
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// createdFormat is how texts say when a backup was created.
const createdFormat = "2006-01-02 15:04"

// stdio is the name of standard input and output.
const stdio = "-"

// NewCmd returns the command with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Create, verify and restore backups",
		Long: `Create, verify and restore backups of a server, in a cluster or on this machine:
its accounts, jobs, videos, MP3s and unfinished uploads, the keys that sign
access tokens, and the settings. The server can be in use meanwhile.

A backup is encrypted with age, because it contains everything that the server
stores. Create a key with age-keygen (https://age-encryption.org), keep it in a
safe place, and pass its recipient, which is not secret, to sx backup create.`,
		Example: `  sx backup create -r age1… -o backup.age
  sx backup verify -i key.txt backup.age
  sx backup restore -i key.txt --data restored backup.age`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(NewCmdCreate(f, nil), NewCmdVerify(f, nil), NewCmdRestore(f, nil), NewCmdSettings(f, nil))
	return cmd
}

// Target says which server a command is about.
type Target struct {
	Cluster      cluster.Flags
	ClusterGiven bool
	Data         string // of a local server; "" is the server in use
	config       func() (*config.Config, error)
}

func (p *Target) add(cmd *cobra.Command, f *cmdutil.Factory) {
	p.Cluster.Add(cmd)
	cmd.Flags().StringVar(&p.Data, "data", "", "data `DIR` of a local server (default: the server in use)")
	_ = cmd.MarkFlagDirname("data") // fails only for a flag that does not exist
	p.config = f.Config
}

// check returns a usage error if the flags contradict each other.
func (p *Target) check(cmd *cobra.Command) error {
	p.ClusterGiven = cluster.Given(cmd.Flags())
	if p.ClusterGiven && p.Data != "" {
		return cmdutil.UsageErrorf("--data is for a local server, and the other flags name an installation in a cluster")
	}
	return nil
}

// local returns the data directory of the local server that the command is about; "" for
// an installation in a cluster.
func (p *Target) local() (string, error) {
	if p.Data != "" {
		return localserver.DataDir(p.Data)
	}
	kind, cfg, err := p.Cluster.InUse(p.ClusterGiven, p.config)
	switch {
	case err != nil:
		return "", err
	case kind == cluster.Local:
		return cfg.Data, nil
	case kind == cluster.Elsewhere:
		return "", sx.NewError(sx.CodeInvalid, "only the address of the server %s is known", cfg.Server).
			WithHint("run the command on its machine with --data, or name its cluster with --context and --namespace")
	}
	return "", nil
}

// keys are the flags with the identities that decrypt a backup.
type keys struct{ files []string }

func (k *keys) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&k.files, "identity", "i", nil, "`FILE` with the key of a recipient, as age-keygen writes it; can be repeated")
}

// open opens a backup and decrypts it if necessary.
func (k *keys) open(streams *term.IOStreams, name string) (io.ReadCloser, error) {
	var identities []age.Identity
	for _, file := range k.files {
		found, err := parseFile(file, age.ParseIdentities)
		if err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "the identities in %s cannot be used: %s", file, err).WithCause(err).
				WithHint("name a file written by age-keygen")
		}
		identities = append(identities, found...)
	}
	in := io.NopCloser(streams.In)
	if name != stdio {
		f, err := os.Open(name)
		if err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "%s", err).WithCause(err).WithHint("name a file that this has written: %s", nextcmd.Line("sx", "backup", "create"))
		}
		in = f
	}
	plain, err := backup.Decrypt(in, identities)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, in}, nil
}

func parseFile[T any](name string, parse func(io.Reader) ([]T, error)) ([]T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return parse(f)
}

// result is the JSON of a summary.
type result struct {
	Release string   `json:"release"`
	Format  int      `json:"format"`
	Created string   `json:"created"`
	Bytes   int64    `json:"bytes"` // before encryption
	Users   int      `json:"users"`
	Jobs    int      `json:"jobs"`
	MP3s    int      `json:"mp3s"`
	Videos  int      `json:"videos"`
	Uploads int      `json:"unfinished_uploads"`
	Damaged int      `json:"damaged"`
	Missing []string `json:"missing,omitempty"`
}

func resultOf(s backup.Summary) result {
	return result{
		Release: s.Header.Release, Format: s.Header.Format, Created: s.Header.Created.UTC().Format("2006-01-02T15:04:05Z"),
		Bytes: s.Bytes, Users: s.Users, Jobs: s.Jobs, MP3s: s.Tracks, Videos: s.Videos, Uploads: s.Uploads,
		Damaged: s.DamagedTotal, Missing: s.Damaged,
	}
}

// contents describes what a backup contains.
func contents(s backup.Summary) string {
	return strings.Join([]string{
		count(s.Users, "account"), count(s.Jobs, "job"), count(s.Tracks, "MP3"), count(s.Videos, "video"),
		count(s.Uploads, "unfinished upload"), sx.FormatSize(s.Bytes),
	}, ", ")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// report prints the summary of a complete backup, and returns an error if it lacks
// something that its server could not read.
func report(streams *term.IOStreams, asJSON bool, s backup.Summary, text string) error {
	var err error
	if asJSON {
		err = streams.WriteJSON(resultOf(s))
	} else {
		_, err = fmt.Fprintf(streams.Out, "%s: %s\n", text, contents(s))
	}
	if err != nil || s.DamagedTotal == 0 {
		return err
	}
	return sx.NewError(sx.CodeProblems, "%s could not be read when the backup was created, and are not in it: %s",
		count(s.DamagedTotal, "video or MP3"), strings.Join(s.Damaged[:min(3, len(s.Damaged))], "; ")).
		WithHint("everything else is in the backup; each of these begins with the ID of its job; see the job with: %s", nextcmd.Line("sx", "show", "ID"))
}

// scan verifies a backup while it is read, and copies it to out.
func scan(ctx context.Context, in io.Reader, out io.Writer) (backup.Summary, error) {
	r, err := backup.NewReader(io.TeeReader(cancelable{ctx, in}, out))
	if err != nil {
		return backup.Summary{}, err
	}
	return r.Verify()
}

// cancelable ends reading when ctx ends.
type cancelable struct {
	ctx context.Context //nolint:containedctx // of the command
	in  io.Reader
}

func (c cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.in.Read(p)
}
