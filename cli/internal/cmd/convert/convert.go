// Package convert is the command sx convert.
package convert

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
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
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx convert.
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
	Output    string // a file, a directory, or "-" for the output stream; "" is the current directory
	Flat      bool   // write all MP3s into one directory
	Force     bool   // send again, and replace existing MP3s
	Checksum  bool   // read unchanged files again
	DryRun    bool
	Watch     bool // convert files in the directories once they are completely written
	Parallel  int  // how many files at once; 0 is as configured
	JSON      bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runConvert
	}
	cmd := &cobra.Command{
		Use:   "convert {FILE | DIR | GLOB | -}...",
		Short: "Convert videos to MP3: upload, wait and download",
		Long: `Upload videos, wait for their conversion and download the MP3s. They are named
after the videos and written to the current directory unless -o is given.

For a directory, all media files below it are converted, except hidden files and
MP3s; the MP3s are in the same subdirectories. - is standard input.

Run the same command again at any time: it continues what was interrupted and
converts what is new. Videos that were converted with the same options are
recognised by content, and not converted again as long as their MP3s are there.
An MP3 is replaced only with --force, even if its video or the options have
changed.

With --split-chapters or --split-every, the MP3s of a video are in a directory
with its name, such as talk/talk - 01 - Introduction.mp3.

With --join, all files become one MP3, named after the first. They are in the
order given; a directory or a quoted pattern is sorted by the numbers in the
names, with the chapters of a camera's recording one after the other.`,
		Example: `  sx convert talk.mp4
  sx convert talk.mp4 -o sound/talk.mp3
  sx convert --preset speech lectures/ -o mp3s/
  sx convert --join DCIM/ -o talk.mp3
  sx convert talk.mp4 -o - | mpv -`,
		Args: cmdutil.AtLeastOne("file, directory or pattern"),
	}
	cmdutil.AddJoinFlag(cmd, &opts.Join)
	encoding := cmdutil.AddEncodeFlags(cmd)
	labels := cmdutil.AddLabelFlag(cmd, f)
	priority := cmdutil.AddPriorityFlag(cmd)
	cmdutil.AddWholeFileFlag(cmd, &opts.WholeFile)
	cmdutil.AddBandwidthFlag(cmd, &opts.Bandwidth)
	flags := cmd.Flags()
	flags.StringVarP(&opts.Output, "output", "o", "", "write to `FILE`, or into a directory; - is standard output")
	flags.BoolVar(&opts.Flat, "flat", false, "write all MP3s into one directory")
	flags.BoolVar(&opts.Force, "force", false, "convert again, and replace existing MP3s")
	flags.BoolVar(&opts.Checksum, "checksum", false, "read all files to recognise them, even if unchanged")
	flags.IntVar(&opts.Parallel, "parallel", 0, "process `N` files at once (default: as configured)")
	flags.BoolVar(&opts.JSON, "json", false, "print one JSON object for each MP3")
	flags.BoolVar(&opts.Watch, "watch", false, "keep running, and convert files once they are completely written")
	cmdutil.AddDryRunFlag(cmd, &opts.DryRun)
	selection := cmdutil.AddSelectFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		opts.Args = args
		switch {
		case flags.Changed("parallel") && opts.Parallel < 1:
			return cmdutil.UsageErrorf("--parallel must be at least 1")
		case opts.Watch && opts.Join:
			return cmdutil.UsageErrorf("--watch and --join are mutually exclusive")
		case opts.Watch && (opts.Output == "-" || opts.DryRun):
			return cmdutil.UsageErrorf("--watch cannot be used with --dry-run or -o -")
		case opts.Output == "-" && opts.JSON:
			return cmdutil.UsageErrorf("--json and -o - are mutually exclusive: both write to standard output")
		case opts.Output == "-" && opts.IO.OutTTY:
			return cmdutil.UsageErrorf("refusing to write MP3 data to a terminal").WithHint("pipe the output, or name a file with -o")
		}
		if opts.Select, err = selection(); err != nil {
			return err
		}
		if opts.Encoding, err = encoding(); err != nil {
			return err
		}
		if opts.Output == "-" && opts.Encoding.Split() {
			return cmdutil.UsageErrorf("several MP3s cannot be written to standard output").WithHint("give a directory with -o")
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

func runConvert(ctx context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	cmdutil.UseDefaults(cfg, &opts.Encoding)
	if opts.Output == "" && cfg.Output != "" {
		opts.Output = cfg.Output + string(filepath.Separator)
	}
	find := opts.Select.Find
	if opts.Join {
		find = opts.Select.FindJoined
	}
	found := find(opts.Args)
	if opts.Output == "-" {
		if found.Several {
			return cmdutil.UsageErrorf("only one MP3 can be written to standard output")
		}
		if err := opts.IO.CheckOut(); err != nil {
			return err
		}
	}
	if len(found.Files) == 0 && !opts.Watch {
		return transfer.FailAll(ctx, found, opts.IO, opts.Flags())
	}
	targets, err := opts.targets(found)
	if err != nil {
		return err
	}
	v, err := newConverter(opts, targets)
	if err != nil {
		return err
	}
	if opts.Watch {
		return v.watch(ctx)
	}
	return v.batch(ctx, found)
}

// batch converts files and reports what was found.
func (v *converter) batch(ctx context.Context, found mediafiles.Found) error {
	display := term.NewProgressDisplay(v.IO)
	defer display.Close()
	display.FailuresOnce = v.Watch
	v.printer = transfer.ResultPrinter{Display: display, TTY: v.IO.OutTTY, JSON: v.JSON}
	v.fetcher.Inputs = append(v.fetcher.Inputs, inputs(found.Files)...)
	if v.Flat {
		found.Flatten()
	}
	if skipped := found.Skipped.String(); skipped != "" {
		display.Say(skipped)
	}
	transfer.SayJoined(display, found)
	items := transfer.FailureItems(found.Failures, display)
	sent := make([]*transfer.Uploaded, len(found.Files))
	var total int64
	for i, f := range found.Files {
		total += f.Size
		bar := display.Add(f.Name, f.Size, "uploading", "converting", "downloading")
		path := v.path(f)
		items = append(items, transfer.Item{Name: f.Name, Bar: bar, Do: func(ctx context.Context) (err error) {
			defer v.records.SaveSometimes(ctx)
			sent[i], err = v.convertFile(ctx, f, path, bar)
			return err
		}})
	}
	if len(found.Files) > 1 {
		display.Say(fmt.Sprintf("%d files, %s", len(found.Files), sx.FormatSize(total)))
	}
	run := transfer.RunBatch
	if v.Watch {
		run = transfer.RunEach
	}
	err := run(ctx, items, v.parallel, v.Flags())
	// Also after Ctrl-C. If it fails, the next run reads the files again.
	_ = v.records.Save(context.WithoutCancel(ctx))
	if err != nil {
		return err // the records of uploads stay, so that the same command continues
	}
	for _, s := range sent {
		if s != nil {
			s.Forget()
		}
	}
	return nil
}

// targets interprets --output; nil with -o -.
func (opts *Options) targets(found mediafiles.Found) (*transfer.Targets, error) {
	if opts.Output == "-" {
		return nil, nil
	}
	targets, err := transfer.NewTargets(opts.Output, found.Several || opts.Encoding.Split(), opts.Flat)
	if err != nil {
		return nil, err
	}
	if targets.File != "" { // before anybody is asked for a server
		replaceable := transfer.Downloader{Inputs: inputs(found.Files), Force: true}
		return targets, replaceable.CheckTarget(targets.File)
	}
	return targets, targets.CheckDir()
}

func newConverter(opts *Options, targets *transfer.Targets) (*converter, error) {
	cfg, err := opts.Config()
	if err != nil {
		return nil, err
	}
	limit, err := bandwidth.New(opts.Bandwidth)
	if err != nil {
		return nil, err
	}
	c, err := opts.Client()
	if err != nil {
		return nil, err
	}
	policy := &transfer.Policy{Timeout: cfg.RetryTimeout}
	files := knownfiles.Open(cfg.StateDir)
	files.Reread = opts.Checksum
	v := &converter{
		Options: opts, api: c, policy: policy, targets: targets, parallel: opts.Parallel, chosen: map[string]string{},
		uploader: &transfer.Uploader{
			API: c, Policy: policy, Labels: opts.Labels, Priority: opts.Priority, WholeFile: opts.WholeFile, Limit: limit,
			Records: transfer.UploadRecords{Dir: filepath.Join(cfg.StateDir, "uploads"), Account: cfg.Account}, Files: files,
		},
		fetcher: &transfer.Downloader{API: c, Policy: policy, StateDir: cfg.StateDir, Force: opts.Force, Limit: limit},
		records: files,
	}
	if v.parallel == 0 {
		v.parallel = cfg.Parallel
	}
	v.index = v.indexOf(targets)
	if opts.Encoding.Split() { // the server names the MP3s
		v.fetcher.Confined = cmp.Or(targets.Dir, ".")
	}
	return v, nil
}

// inputs describes the files, so that no MP3 replaces one of them.
func inputs(files []mediafiles.File) (infos []fs.FileInfo) {
	for _, f := range files {
		for _, one := range f.All() {
			if info, err := os.Stat(one.Path); err == nil {
				infos = append(infos, info)
			}
		}
	}
	return infos
}
