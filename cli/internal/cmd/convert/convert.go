// Package convert is the command sx convert.
package convert

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/batch"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/fetch"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/cli/internal/uploads"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options is what sx convert works with.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)

	Args     []string // files, folders and patterns
	Encoding sx.Options
	Output   string // a file, a folder, or "-" for the output stream; "" is the current folder
	Force    bool
	Parallel int // how many files at once; 0 is as configured
	JSON     bool
}

// NewCmd makes the command. run, when it is not nil, is called instead of converting.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	o := &Options{IO: f.IO, Client: f.Client, Config: f.Config}
	if run == nil {
		run = convert
	}
	cmd := &cobra.Command{
		Use:   "convert {FILE | DIR | GLOB}...",
		Short: "Make MP3s of videos: upload, watch and download in one",
		Long: `Upload videos, wait for their conversion and download the MP3s, which are named
after the videos and come to the current folder unless -o says otherwise.

Of a folder, all media files below it are taken, but not hidden ones and MP3s.
If it is interrupted, the same command goes on where it stopped, be it in the
upload, the conversion or the download.`,
		Example: `  sx convert talk.mp4
  sx convert talk.mp4 -o sound/talk.mp3
  sx convert --preset speech lectures/ -o mp3s/
  sx convert talk.mp4 -o - | mpv -`,
		Args: cmdutil.AtLeastOne("a file, a folder or a pattern"),
	}
	encoding := cmdutil.AddEncodeFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.Output, "output", "o", "", "file or folder to write to, - for the output stream")
	flags.BoolVar(&o.Force, "force", false, "overwrite files that are there")
	flags.IntVar(&o.Parallel, "parallel", 0, "how many files at once (default as configured)")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object for each MP3")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Args = args
		switch {
		case flags.Changed("parallel") && o.Parallel < 1:
			return cmdutil.UsageErrorf("--parallel has to be 1 or more")
		case o.Output == "-" && o.JSON:
			return cmdutil.UsageErrorf("--json and the MP3 cannot both go to the output stream")
		case o.Output == "-" && o.IO.OutTTY:
			return cmdutil.UsageErrorf("an MP3 is nothing for the terminal").WithHint("pipe it on, or give a file with -o")
		}
		if o.Encoding, err = encoding(); err != nil {
			return err
		}
		return run(cmd.Context(), o)
	}
	return cmd
}

func convert(ctx context.Context, o *Options) error {
	files, err := mediafiles.Find(o.Args)
	if err != nil {
		return err
	}
	if o.Output == "-" && len(files) > 1 {
		return cmdutil.UsageErrorf("only one MP3 can go to the output stream")
	}
	cfg, err := o.Config()
	if err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	policy := &transfer.Policy{Patience: cfg.Patience}
	v := &converter{
		Options: o, api: c, policy: policy,
		uploader: &uploads.Uploader{
			API: c, Policy: policy,
			Records: uploads.Records{Dir: filepath.Join(cfg.StateDir, "uploads"), Account: cfg.Account},
		},
		fetcher: &fetch.Fetcher{API: c, Policy: policy, StateDir: cfg.StateDir, Force: o.Force},
	}
	paths, err := v.paths(files)
	if err != nil {
		return err
	}
	display := term.NewProgressDisplay(o.IO)
	defer display.Close()
	v.printer = fetch.Printer{Out: display.Out(), TTY: o.IO.OutTTY, JSON: o.JSON}
	items := make([]batch.Item, len(files))
	sent := make([]*uploads.Sent, len(files))
	var total int64
	for i, f := range files {
		total += f.Size
		bar := display.Add(f.Name, f.Size, phases)
		items[i] = batch.Item{Name: f.Name, Bar: bar, Do: func(ctx context.Context) (err error) {
			sent[i], err = v.one(ctx, f, paths[i], bar)
			return err
		}}
	}
	if len(files) > 1 {
		display.Say(fmt.Sprintf("%d files, %s", len(files), sx.FormatSize(total)))
	}
	parallel := o.Parallel
	if parallel == 0 {
		parallel = cfg.Parallel
	}
	if err := batch.Run(ctx, items, parallel); err != nil {
		return err // what is done is remembered: the same command does not do it again
	}
	for _, s := range sent {
		s.Forget()
	}
	return nil
}
