// Package upload is the command sx upload.
package upload

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx upload.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)
	Flags  func() nextcmd.Flags

	Args      []string // files, directories, patterns, and "-" for standard input
	Select    mediafiles.Select
	Encoding  sx.Options
	Labels    []string
	WholeFile bool   // send whole files, not only their audio
	Bandwidth string // a limit, as bandwidth.New takes it
	Parallel  int    // how many files at once; 0 is as configured
	JSON      bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runUpload
	}
	cmd := &cobra.Command{
		Use:   "upload {FILE | DIR | GLOB | -}...",
		Short: "Upload videos for conversion",
		Long: `Upload videos. Each becomes a job that the server converts to MP3. Of MP4, MOV,
MKV, WebM and MPEG-TS files, only the audio is sent, which gives the same MP3;
of other files, and with --whole-file, everything is.

For a directory, all media files below it are uploaded, except hidden files and
MP3s; - is standard input. Prints the job ID and the file name for each file.
After an interruption (Ctrl-C, a crash or a network failure), run the same
command again: it continues where it stopped.`,
		Example: `  sx upload talk.mp4
  sx upload --preset speech lectures/ "week 2"/*.mkv
  sx upload --json talk.mp4 | jq -r .id`,
		Args: cmdutil.AtLeastOne("file, directory or pattern"),
	}
	encoding := cmdutil.AddEncodeFlags(cmd)
	labels := cmdutil.AddLabelFlag(cmd)
	cmdutil.AddWholeFileFlag(cmd, &opts.WholeFile)
	cmdutil.AddBandwidthFlag(cmd, &opts.Bandwidth)
	cmd.Flags().IntVar(&opts.Parallel, "parallel", 0, "upload `N` files at once (default: as configured)")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print one JSON object for each file")
	selection := cmdutil.AddSelectFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		opts.Args = args
		if cmd.Flags().Changed("parallel") && opts.Parallel < 1 {
			return cmdutil.UsageErrorf("--parallel must be at least 1")
		}
		if opts.Select, err = selection(); err != nil {
			return err
		}
		if opts.Encoding, err = encoding(); err != nil {
			return err
		}
		if opts.Labels, err = labels(); err != nil {
			return err
		}
		return run(cmd.Context(), opts)
	}
	return cmd
}

// result is what is printed for a file.
type result struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Size     int64    `json:"size"`     // of the file
	Identity string   `json:"identity"` // see sx.Source
	Sent     api.Sent `json:"sent"`
}

func runUpload(ctx context.Context, opts *Options) error {
	found := opts.Select.Find(opts.Args)
	if len(found.Files) == 0 {
		return transfer.FailAll(ctx, found, opts.IO, opts.Flags())
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	cmdutil.UseDefaults(cfg, &opts.Encoding)
	c, err := opts.Client()
	if err != nil {
		return err
	}
	limit, err := bandwidth.New(opts.Bandwidth)
	if err != nil {
		return err
	}
	uploader := &transfer.Uploader{
		API: c, Policy: &transfer.Policy{Timeout: cfg.RetryTimeout},
		Labels: opts.Labels, WholeFile: opts.WholeFile, Limit: limit,
		Records: transfer.UploadRecords{Dir: filepath.Join(cfg.StateDir, "uploads"), Account: cfg.Account},
	}
	display := term.NewProgressDisplay(opts.IO)
	defer display.Close()
	if skipped := found.Skipped.String(); skipped != "" {
		display.Say(skipped)
	}
	items := transfer.FailureItems(found.Failures, display)
	sent := make([]*transfer.Uploaded, len(found.Files))
	var total int64
	for i, f := range found.Files {
		total += f.Size
		bar := display.Add(f.Name, f.Size)
		items = append(items, transfer.Item{Name: f.Name, Bar: bar, Do: func(ctx context.Context) (err error) {
			sent[i], err = opts.one(ctx, uploader, f, bar, display)
			return err
		}})
	}
	if len(found.Files) > 1 {
		display.Say(fmt.Sprintf("%d files, %s", len(found.Files), sx.FormatSize(total)))
	}
	parallel := opts.Parallel
	if parallel == 0 {
		parallel = cfg.Parallel
	}
	if err := transfer.RunBatch(ctx, items, parallel, opts.Flags()); err != nil {
		return err // all that was sent is remembered: the same command does not send it again
	}
	for _, s := range sent {
		s.Forget()
	}
	return nil
}

// one uploads a file and prints the result.
func (opts *Options) one(ctx context.Context, uploader *transfer.Uploader, f mediafiles.File, bar *term.ProgressBar, display *term.ProgressDisplay) (*transfer.Uploaded, error) {
	f, remove, err := transfer.Spool(ctx, f, opts.IO.In, bar)
	if err != nil {
		return nil, err
	}
	defer remove()
	sent, err := uploader.Upload(ctx, f, opts.Encoding, bar)
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	bar.Done("uploaded")
	if opts.JSON {
		return sent, display.WriteJSON(result{sent.Job.ID, f.Name, f.Size, sent.Identity, sent.Job.Sent})
	}
	line := fmt.Sprintf("%s\t%s\n", sent.Job.ID, f.Name)
	if opts.IO.OutTTY {
		line = fmt.Sprintf("%s  %s\n", sent.Job.ID, f.Name)
	}
	if _, err := display.Out().Write([]byte(line)); err != nil {
		return nil, err
	}
	return sent, nil
}
