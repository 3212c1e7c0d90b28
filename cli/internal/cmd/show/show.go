// Package show is the command sx show.
package show

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx show.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	Flags  func() nextcmd.Flags

	IDs  []string
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Flags: f.Repeated, Now: time.Now}
	if run == nil {
		run = runShow
	}
	cmd := &cobra.Command{
		Use:   "show JOB...",
		Short: "Show job details",
		Long: `Show what is known about jobs: the file, what was sent of it, each attempt to
convert it, the MP3, and what to do next. A job is given by ID, or by file name
if only one job has it.`,
		Example: `  sx show jq3m5v7kxw2c4t6b
  sx show talk.mp4
  sx show jq3m5v7kxw2c4t6b --json | jq '.tracks[0].duration'`,
		Args:              cmdutil.AtLeastOne("job"),
		ValidArgsFunction: cmdutil.CompleteJobs(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.IDs = args
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each job as JSON")
	return cmd
}

func runShow(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	shown := 0
	return cmdutil.EachJob(ctx, c, opts.IDs, func(id string) error {
		job, err := c.Job(ctx, id)
		if err != nil {
			return err
		}
		if opts.JSON {
			return opts.IO.WriteJSON(job)
		}
		if shown++; shown > 1 {
			_, _ = fmt.Fprintln(opts.IO.Out)
		}
		text := describe(job, opts.Now(), opts.Flags())
		if opts.IO.OutTTY {
			width, _ := opts.IO.Size()
			text = fold(text, width)
		}
		return opts.IO.Printf("%s", text)
	})
}

// indent is the width of the names of the properties.
const indent = 12

// fold breaks lines that are wider than the terminal between words, so that the values
// stay in their column. A digest, which has no words, is left to the terminal.
func fold(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name, value := line[:indent], strings.TrimSuffix(line[indent:], "\n")
		parts := term.Wrap(value, max(width-indent, indent))
		if len(parts) == 1 {
			parts[0] = value // with its own spaces
		}
		for _, part := range parts {
			b.WriteString(name + part + "\n")
			name = strings.Repeat(" ", indent)
		}
	}
	return b.String()
}

// describe returns the job as text, one property per line. A suggested command repeats
// the flags.
func describe(j api.Job, now time.Time, flags nextcmd.Flags) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "%-*s%s\n", indent, name, fmt.Sprintf(format, args...))
	}
	when := func(t time.Time) string {
		return fmt.Sprintf("%s (%s ago)", t.In(now.Location()).Format(time.DateTime), term.FormatAge(now.Sub(t)))
	}
	line("id", "%s", j.ID)
	line("name", "%s", j.Name)
	line("state", "%s", j.State)
	switch {
	case j.State == sx.StateUploading || j.State == sx.StateRunning && j.Remaining == 0:
		line("progress", "%s", term.FormatPercent(j.Progress))
	case j.State == sx.StateRunning:
		line("progress", "%s, %s left", term.FormatPercent(j.Progress), term.FormatClock(j.Remaining))
	}
	h := api.History{}
	if j.History != nil {
		h = *j.History
	}
	if j.Attempt > 1 && len(h.Attempts) == 0 {
		line("attempt", "%d", j.Attempt)
	}
	line("created", "%s", when(j.Created))
	if h.Queued != nil {
		line("queued", "%s", when(*h.Queued))
	}
	attempts(line, h.Attempts, j.Error, now)
	line("updated", "%s", when(j.Updated))
	for i, s := range j.Sources {
		if len(j.Sources) > 1 {
			line("source", "%s, %s", source(s, api.Sent{Size: s.Sent, AudioOnly: s.Sent != s.Size}), s.Name)
		} else {
			line("source", "%s", source(s, j.Sent))
		}
		if s.Identity != "" && i == len(j.Sources)-1 {
			line("  identity", "%s", short(s.Identity))
		}
	}
	if j.Sent.SHA256 != "" {
		line("sent", "%s", sx.FormatSize(j.Sent.Size))
		line("  sha256", "%s", j.Sent.SHA256)
	}
	line("options", "%s", options(j.Options))
	if len(j.Tracks) > 1 {
		several(line, j.Tracks)
	} else if t := j.Track(1); t != nil {
		line("mp3", "%s", track(*t))
		for _, text := range []struct{ name, value string }{{"title", t.Title}, {"artist", t.Artist}, {"album", t.Album}} {
			if text.value != "" {
				line("  "+text.name, "%s", text.value)
			}
		}
		line("  sha256", "%s", t.SHA256)
	}
	deletion(line, j, now)
	if len(j.Labels) > 0 {
		line("labels", "%s", strings.Join(j.Labels, ", "))
	}
	if j.Priority != sx.PriorityNormal {
		line("priority", "%s", j.Priority)
	}
	for _, w := range j.Warnings {
		line("warning", "%s (%s)", w.Message, w.Code)
	}
	if j.Error != nil {
		line("error", "%s (%s)", j.Error.Message, j.Error.Code)
		line("hint", "%s", cmdutil.Hint(j.Error.Code, j.Error.Hint, j.ID, flags))
	}
	if hint, ok := next(j); ok && j.Error == nil {
		line("next", "%s", hint.Render(flags))
	}
	return b.String()
}

// several describes the MP3s of a job that has more than one.
func several(line func(name, format string, args ...any), tracks []api.Track) {
	all := api.Track{}
	for _, t := range tracks {
		all.Size += t.Size
		all.Duration += t.Duration
	}
	line("mp3s", "%d, %s", len(tracks), track(all))
	for _, t := range tracks {
		name := t.Title
		if name == "" {
			name = t.Name
		}
		line(fmt.Sprintf("  %d", t.Number), "%s, %s", track(t), name)
	}
}

// attempts describes the attempts. The error of the last one is left out if it is the job's,
// which is shown at the end.
func attempts(line func(name, format string, args ...any), list []api.Attempt, last *api.Error, now time.Time) {
	for _, a := range list {
		text := a.Started.In(now.Location()).Format(time.DateTime) + ", "
		if a.Ended == nil {
			text += "running for " + term.FormatAge(now.Sub(a.Started))
		} else {
			text += fmt.Sprintf("%s after %s", a.Result, term.FormatAge(a.Ended.Sub(a.Started)))
		}
		if a.Host != "" {
			text += " on " + a.Host
		}
		line(fmt.Sprintf("attempt %d", a.Number), "%s", text)
		if a.Error != nil && (last == nil || a.Error.Message != last.Message) {
			line("  error", "%s (%s)", a.Error.Message, a.Error.Code)
		}
		for _, m := range a.Messages {
			line("  ffmpeg", "%s", m)
		}
	}
}

// next says what to do next with a job that has no error; false if that is nothing.
func next(j api.Job) (nextcmd.Hint, bool) {
	switch {
	case j.State == sx.StateUploading:
		return nextcmd.Hint{Format: "if the upload was interrupted, run the same command again"}, true
	case j.State == sx.StateQueued, j.State == sx.StateRunning:
		return nextcmd.Hint{Format: "follow it with: %s", Commands: []nextcmd.Command{{"watch", j.ID}}}, true
	case j.State == sx.StateDone && j.Track(1) != nil:
		what := "MP3"
		if len(j.Tracks) > 1 {
			what = "MP3s"
		}
		return nextcmd.Hint{Format: "download the " + what + " with: %s", Commands: []nextcmd.Command{{"download", j.ID}}}, true
	case j.State == sx.StateCancelled && j.Sent.SHA256 != "":
		return nextcmd.Hint{Format: "convert it after all with: %s", Commands: []nextcmd.Command{{"retry", j.ID}}}, true
	case j.State.Final() && j.State != sx.StateDone:
		return nextcmd.Hint{Format: "upload the file again"}, true
	default:
		return nextcmd.Hint{}, false
	}
}

// deletion says how long the video and the job are kept.
func deletion(line func(name, format string, args ...any), j api.Job, now time.Time) {
	until := func(t time.Time) string {
		return fmt.Sprintf("until %s (in %s)", t.In(now.Location()).Format(time.DateTime), term.FormatAge(t.Sub(now)))
	}
	switch {
	case j.VideoDeleted:
		line("video", "deleted")
	case j.DeleteVideoAt != nil && (j.DeleteAt == nil || j.DeleteVideoAt.Before(*j.DeleteAt)):
		line("video", "kept %s", until(*j.DeleteVideoAt))
	}
	switch {
	case j.DeleteAt != nil && j.Track(1) != nil:
		what := "MP3"
		if len(j.Tracks) > 1 {
			what = "MP3s"
		}
		line("kept", "%s, with the %s", until(*j.DeleteAt), what)
	case j.DeleteAt != nil:
		line("kept", "%s", until(*j.DeleteAt))
	}
}

// source describes a source and how much of it was sent, such as "57 MB of audio from
// 4.1 GB".
func source(s api.Source, sent api.Sent) string {
	if sent.AudioOnly {
		return fmt.Sprintf("%s of audio from %s", sx.FormatSize(sent.Size), sx.FormatSize(s.Size))
	}
	return sx.FormatSize(s.Size)
}

// short shortens an identity so that it fits a line; --json has all of it.
func short(identity string) string {
	if form, digest, _ := strings.Cut(identity, ":"); len(digest) > 16 {
		return form + ":" + digest[:16] + "…"
	}
	return identity
}

// options describes the encoding options in the words of the flags.
func options(o api.Options) string {
	var parts []string
	switch {
	case o.Bitrate != 0:
		parts = append(parts, fmt.Sprintf("bit rate %d kbit/s", o.Bitrate))
	case o.Quality != nil:
		parts = append(parts, fmt.Sprintf("quality %d", *o.Quality))
	default:
		parts = append(parts, "preset "+string(o.Preset))
	}
	if o.Mono {
		parts = append(parts, "mono")
	}
	if o.Track != "" {
		parts = append(parts, "audio track "+o.Track)
	}
	if o.KeepAllTags {
		parts = append(parts, "all tags")
	}
	if o.Start > 0 {
		parts = append(parts, "from "+term.FormatPosition(o.Start))
	}
	if o.End > 0 {
		parts = append(parts, "to "+term.FormatPosition(o.End))
	}
	switch o.Loudness {
	case "":
	case sx.LoudnessAuto:
		parts = append(parts, "loudness auto")
	default:
		parts = append(parts, "loudness "+o.Loudness+" LUFS")
	}
	if o.SplitChapters {
		parts = append(parts, "split by chapters")
	}
	if o.SplitEvery > 0 {
		parts = append(parts, "split every "+term.FormatPosition(o.SplitEvery))
	}
	for _, text := range []struct{ name, value string }{{"title", o.Title}, {"artist", o.Artist}, {"album", o.Album}} {
		if text.value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", text.name, text.value))
		}
	}
	return strings.Join(parts, ", ")
}

func track(t api.Track) string {
	text := fmt.Sprintf("%s, %s", term.FormatClock(t.Duration), sx.FormatSize(t.Size))
	if t.Duration > 0 {
		text += fmt.Sprintf(", %.0f kbit/s", float64(t.Size)*8/t.Duration/1000)
	}
	return text
}
