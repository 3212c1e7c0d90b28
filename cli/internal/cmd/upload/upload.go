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
	"github.com/soundextract/sx/cli/internal/knownfiles"
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
	Join      bool // the files become one MP3
	Encoding  sx.Options
	Labels    []string
	Priority  sx.Priority
	WholeFile bool   // send whole files, not only their audio
	Bandwidth string // a limit, as bandwidth.New takes it
	Force     bool   // send again what the server has already
	Checksum  bool   // read unchanged files again
	DryRun    bool
	Parallel  int // how many files at once; 0 is as configured
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
command again: it continues where it stopped. What the server has already is
not sent again without --force. With --join, all files become one job.`,
		Example: `  sx upload talk.mp4
  sx upload --preset speech lectures/ "week 2"/*.mkv
  sx upload --json talk.mp4 | jq -r .id`,
		Args: cmdutil.AtLeastOne("file, directory or pattern"),
	}
	cmdutil.AddJoinFlag(cmd, &opts.Join)
	encoding := cmdutil.AddEncodeFlags(cmd)
	labels := cmdutil.AddLabelFlag(cmd, f)
	priority := cmdutil.AddPriorityFlag(cmd)
	cmdutil.AddWholeFileFlag(cmd, &opts.WholeFile)
	cmdutil.AddBandwidthFlag(cmd, &opts.Bandwidth)
	cmd.Flags().BoolVar(&opts.Force, "force", false, "send again what the server has already")
	cmd.Flags().BoolVar(&opts.Checksum, "checksum", false, "read all files to recognise them, even if unchanged")
	cmdutil.AddDryRunFlag(cmd, &opts.DryRun)
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
		if opts.Priority, err = priority(); err != nil {
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
	Existed  bool     `json:"already_there,omitempty"` // the server had it before this run
}

func runUpload(ctx context.Context, opts *Options) error {
	find := opts.Select.Find
	if opts.Join {
		find = opts.Select.FindJoined
	}
	found := find(opts.Args)
	if len(found.Files) == 0 {
		return transfer.FailAll(ctx, found, opts.IO, opts.Flags())
	}
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	cmdutil.UseDefaults(cfg, &opts.Encoding)
	limit, err := bandwidth.New(opts.Bandwidth)
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	uploader := &transfer.Uploader{
		API: c, Policy: &transfer.Policy{Timeout: cfg.RetryTimeout},
		Labels: opts.Labels, Priority: opts.Priority, WholeFile: opts.WholeFile, Limit: limit,
		Records: transfer.UploadRecords{Dir: filepath.Join(cfg.StateDir, "uploads"), Account: cfg.Account},
		Files:   knownfiles.Open(cfg.StateDir),
	}
	uploader.Files.Reread = opts.Checksum
	display := term.NewProgressDisplay(opts.IO)
	defer display.Close()
	if skipped := found.Skipped.String(); skipped != "" {
		display.Say(skipped)
	}
	transfer.SayJoined(display, found)
	items := transfer.FailureItems(found.Failures, display)
	u := &uploads{Options: opts, uploader: uploader, display: display}
	sent := make([]*transfer.Uploaded, len(found.Files))
	var total int64
	for i, f := range found.Files {
		total += f.Size
		bar := display.Add(f.Name, f.Size)
		items = append(items, transfer.Item{Name: f.Name, Bar: bar, Do: func(ctx context.Context) (err error) {
			defer uploader.Files.SaveSometimes(ctx)
			sent[i], err = u.one(ctx, f, bar)
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
	err = transfer.RunBatch(ctx, items, parallel, opts.Flags())
	// Also after Ctrl-C. If it fails, the next run reads the files again.
	_ = uploader.Files.Save(context.WithoutCancel(ctx))
	if err != nil {
		return err // all that was sent is remembered: the same command does not send it again
	}
	for _, s := range sent {
		if s != nil {
			s.Forget()
		}
	}
	return nil
}

type uploads struct {
	*Options
	uploader *transfer.Uploader
	display  *term.ProgressDisplay
}

// one uploads a file, unless the server has it already, and prints the result. It returns
// nil if nothing was sent.
func (u *uploads) one(ctx context.Context, f mediafiles.File, bar *term.ProgressBar) (*transfer.Uploaded, error) {
	f, remove, err := transfer.Spool(ctx, f, u.IO.In, bar)
	if err != nil {
		return nil, err
	}
	defer remove()
	in := u.uploader.Open(ctx, f, u.Encoding)
	defer in.Close()
	if there, err := u.there(ctx, in, bar); there || err != nil {
		return nil, err
	}
	if u.DryRun {
		bar.Done("to upload")
		printer := transfer.ResultPrinter{Display: u.display, TTY: u.IO.OutTTY, JSON: u.JSON}
		return nil, printer.PrintPlan(transfer.Plan{Action: "upload", Name: f.Name, Sources: transfer.Sources(f)})
	}
	waited, err := u.uploader.Reserve(ctx, in, bar)
	if err != nil {
		return nil, err
	}
	if waited { // the other process may have sent it
		if there, err := u.there(ctx, in, bar); there || err != nil {
			return nil, err
		}
	}
	sent, err := u.uploader.Upload(ctx, in, bar)
	if err != nil {
		return nil, err
	}
	defer sent.Close()
	bar.Done("uploaded")
	return sent, u.print(result{ID: sent.Job.ID, Name: f.Name, Size: f.Size, Identity: sent.Identity, Sent: sent.Job.Sent})
}

// there reports whether the server has the file already, and then says so.
func (u *uploads) there(ctx context.Context, in *transfer.Input, bar *term.ProgressBar) (bool, error) {
	if u.Force {
		return false, nil
	}
	known, err := u.known(ctx, in, bar)
	if known == nil || err != nil {
		return false, err
	}
	bar.Say("the server has it already, as job %s", known.ID)
	bar.Done("already there")
	known.Existed = true
	return true, u.print(*known)
}

// known describes the job that the server has for the file and options, or is nil.
func (u *uploads) known(ctx context.Context, in *transfer.Input, bar *term.ProgressBar) (*result, error) {
	identity, err := in.Identity(bar)
	if err != nil {
		return nil, err
	}
	known, err := transfer.Known(ctx, u.uploader.API, u.uploader.Policy, identity, u.Encoding, bar)
	if err != nil || !transfer.Sent(known) {
		return nil, err
	}
	var job api.Job
	err = u.uploader.Policy.Start(bar).Do(ctx, func(ctx context.Context) (err error) {
		job, err = u.uploader.API.Job(ctx, known.JobID)
		return err
	})
	if sx.CodeOf(err) == sx.CodeNotFound { // removed meanwhile
		return nil, nil
	}
	return &result{ID: job.ID, Name: in.File.Name, Size: in.File.Size, Identity: identity, Sent: job.Sent}, err
}

func (u *uploads) print(r result) error {
	if u.JSON {
		return u.display.WriteJSON(r)
	}
	line := fmt.Sprintf("%s\t%s\n", r.ID, r.Name)
	if u.IO.OutTTY {
		line = fmt.Sprintf("%s  %s\n", r.ID, r.Name)
	}
	_, err := u.display.Out().Write([]byte(line))
	return err
}
