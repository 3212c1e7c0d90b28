// Package edit is the command sx edit.
package edit

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx edit.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	IDs  []string
	Edit api.JobEdit
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runEdit
	}
	var title, artist, album string
	var labels []string
	cmd := &cobra.Command{
		Use:   "edit JOB...",
		Short: "Change the tags of MP3s, and labels",
		Long: `Change the title, artist or album of the MP3s of finished jobs, and the labels
of any jobs. The MP3s on the server get a new tag; their audio is not encoded
again. Download them again to get the new tag. An empty value removes a tag.

Of a job with several MP3s, artist and album are those of all of them, unless
--number says which one is meant. A title is that of one MP3.`,
		Example: `  sx edit talk.mp4 --title "Sound in rooms" --artist "Ada Berg"
  sx edit jq3m5v7kxw2c4t6b --label acoustics --label -draft`,
		Args:              cmdutil.AtLeastOne("job"),
		ValidArgsFunction: cmdutil.CompleteJobs(f),
	}
	flags := cmd.Flags()
	flags.IntVar(&opts.Edit.Number, "number", 0, "change only the MP3 with the number `N`, of a job with several")
	flags.StringVar(&title, "title", "", "new `TITLE`")
	flags.StringVar(&artist, "artist", "", "new `ARTIST`")
	flags.StringVar(&album, "album", "", "new `ALBUM`")
	flags.StringArrayVar(&labels, "label", nil, "add `LABEL`, or remove -LABEL; can be repeated")
	flags.BoolVar(&opts.JSON, "json", false, "print each job as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.IDs = args
		changes := len(labels) > 0
		for _, tag := range []struct {
			flag  string
			value *string
			to    **string
		}{{"title", &title, &opts.Edit.Title}, {"artist", &artist, &opts.Edit.Artist}, {"album", &album, &opts.Edit.Album}} {
			if flags.Changed(tag.flag) {
				*tag.to, changes = tag.value, true
			}
		}
		if flags.Changed("number") && opts.Edit.Number < 1 {
			return cmdutil.UsageErrorf("--number counts from 1")
		}
		if !changes {
			return cmdutil.UsageErrorf("nothing to change").WithHint("use --title, --artist, --album or --label")
		}
		if err := opts.readLabels(labels); err != nil {
			return err
		}
		return run(cmd.Context(), opts)
	}
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("label", cmdutil.CompleteLabels(f))
	for _, name := range []string{"number", "title", "artist", "album"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// readLabels reads labels to add, with or without a plus sign, and to remove, with a
// minus sign.
func (opts *Options) readLabels(labels []string) (err error) {
	for _, l := range labels {
		if name, remove := strings.CutPrefix(l, "-"); remove {
			opts.Edit.RemoveLabels = append(opts.Edit.RemoveLabels, name)
		} else {
			opts.Edit.AddLabels = append(opts.Edit.AddLabels, strings.TrimPrefix(l, "+"))
		}
	}
	opts.Edit.AddLabels, err = sx.Labels(opts.Edit.AddLabels)
	return err
}

func runEdit(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	var edited []string // with other tags
	err = cmdutil.ChangeJobs(ctx, c, opts.IO, opts.IDs, opts.JSON, func(ctx context.Context, id string) (api.Job, error) {
		job, err := c.Edit(ctx, id, opts.Edit)
		if err == nil && (opts.Edit.Title != nil || opts.Edit.Artist != nil || opts.Edit.Album != nil) {
			edited = append(edited, job.ID)
		}
		return job, err
	})
	if len(edited) > 0 && !opts.JSON {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "get the new tags with: %s\n", opts.Next(append([]string{"download", "--force"}, edited...)...))
	}
	return err
}
