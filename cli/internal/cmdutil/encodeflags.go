package cmdutil

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/sx"
)

// AddEncodeFlags adds the flags to the command. The function it returns reads them
// when the command runs; its error is an *sx.Error of code invalid.
func AddEncodeFlags(cmd *cobra.Command) (read func() (sx.Options, error)) {
	var o sx.Options
	var preset string
	var quality int
	flags := cmd.Flags()
	flags.StringVar(&preset, "preset", "", presetUsage())
	flags.IntVar(&o.Bitrate, "bitrate", 0, "constant bit rate of `KBITS` kbit/s, such as 192")
	flags.IntVar(&quality, "quality", 0, "variable bit rate of LAME's quality `LEVEL`, 0 (best) to 9")
	flags.BoolVar(&o.Mono, "mono", false, "mix down to one channel")
	flags.StringVar(&o.Track, "track", "", "audio `TRACK`, by its number from 1 or its language")
	flags.BoolVar(&o.KeepAllTags, "keep-all-tags", false, "also keep tags about the place, time, device and program of the recording")
	flags.Var((*position)(&o.Start), "start", "begin at `TIME` of the recording, such as 90, 1m30s or 0:01:30")
	flags.Var((*position)(&o.End), "end", "end at `TIME` of the recording")
	flags.StringVar(&o.Loudness, "loudness", "", "set the loudness to `LUFS`, such as --loudness=-18; without a value to -16, mono to -19")
	flags.Lookup("loudness").NoOptDefVal = sx.LoudnessAuto
	flags.BoolVar(&o.SplitChapters, "split-chapters", false, "make one MP3 of each chapter")
	flags.Var((*position)(&o.SplitEvery), "split-every", "begin a new MP3 after each `TIME`, such as 30m")
	flags.StringVar(&o.Title, "title", "", "set the MP3's title to `TITLE`")
	flags.StringVar(&o.Artist, "artist", "", "set the MP3's artist to `ARTIST`")
	flags.StringVar(&o.Album, "album", "", "set the MP3's album to `ALBUM`")
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("preset", cobra.FixedCompletions(PresetCompletions(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	_ = cmd.RegisterFlagCompletionFunc("bitrate", numbers(sx.Bitrates...))
	_ = cmd.RegisterFlagCompletionFunc("quality", numbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
	_ = cmd.RegisterFlagCompletionFunc("loudness", cobra.FixedCompletions([]cobra.Completion{
		cobra.CompletionWithDesc(sx.LoudnessAuto, "-16 LUFS, mono -19"), cobra.CompletionWithDesc("-14", "as loud as music services"),
		cobra.CompletionWithDesc("-23", "as loud as broadcasts"),
	}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	_ = cmd.RegisterFlagCompletionFunc("split-every", cobra.FixedCompletions([]cobra.Completion{"15m", "30m", "1h"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	for _, name := range []string{"start", "end", "title", "artist", "album"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("track", cobra.FixedCompletions([]cobra.Completion{
		cobra.CompletionWithDesc("1", "the first audio track"), cobra.CompletionWithDesc("2", "the second"),
		cobra.CompletionWithDesc("eng", "English"), cobra.CompletionWithDesc("deu", "German"),
		cobra.CompletionWithDesc("fra", "French"), cobra.CompletionWithDesc("spa", "Spanish"),
		cobra.CompletionWithDesc("ita", "Italian"), cobra.CompletionWithDesc("por", "Portuguese"),
		cobra.CompletionWithDesc("rus", "Russian"), cobra.CompletionWithDesc("zho", "Chinese"),
		cobra.CompletionWithDesc("jpn", "Japanese"),
	}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	return func() (sx.Options, error) {
		o.Preset = sx.Preset(preset)
		o.Quality = nil
		if flags.Changed("quality") {
			o.Quality = &quality
		}
		return o, o.Check()
	}
}

// AddLabelFlag adds the flag for the labels of new jobs. The function it returns reads
// them when the command runs; its error is an *sx.Error of code invalid.
func AddLabelFlag(cmd *cobra.Command, f *Factory) (read func() ([]string, error)) {
	var labels []string
	cmd.Flags().StringArrayVar(&labels, "label", nil, "label the job with `LABEL`; can be repeated")
	_ = cmd.RegisterFlagCompletionFunc("label", CompleteLabels(f)) // fails only for a flag that does not exist
	return func() ([]string, error) { return sx.Labels(labels) }
}

// AddPriorityFlag adds the flag for the priority of new jobs. The function it returns
// reads the flag when the command runs; its error is an *sx.Error of code invalid.
func AddPriorityFlag(cmd *cobra.Command) (read func() (sx.Priority, error)) {
	var priority string
	cmd.Flags().StringVar(&priority, "priority", sx.PriorityNormal.String(), "`PRIORITY`: normal, or low to let other jobs go first")
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]cobra.Completion{
		sx.PriorityNormal.String(), sx.PriorityLow.String(),
	}, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
	return func() (sx.Priority, error) { return sx.ParsePriority(priority) }
}

// presetTexts describes the presets.
var presetTexts = map[sx.Preset]string{
	sx.PresetSpeech:   "mono, 64 kbit/s",
	sx.PresetStandard: "variable, about 190 kbit/s",
	sx.PresetHigh:     "320 kbit/s",
	sx.PresetSmall:    "128 kbit/s",
}

func presetUsage() string {
	var texts []string
	for _, p := range sx.Presets() {
		texts = append(texts, fmt.Sprintf("%s (%s)", p, presetTexts[p]))
	}
	return "encoder `PRESET`: " + strings.Join(texts, ", ") + " (default: as configured, else standard)"
}

// PresetCompletions returns the presets with their descriptions.
func PresetCompletions() []cobra.Completion {
	var all []cobra.Completion
	for _, p := range sx.Presets() {
		all = append(all, cobra.CompletionWithDesc(string(p), presetTexts[p]))
	}
	return all
}

// UseDefaults fills in the preset of the settings, unless flags chose an encoding.
func UseDefaults(cfg *config.Config, o *sx.Options) {
	if o.Preset == "" && o.Bitrate == 0 && o.Quality == nil {
		o.Preset = sx.Preset(cfg.Preset)
	}
}

func numbers(of ...int) cobra.CompletionFunc {
	texts := make([]cobra.Completion, len(of))
	for i, n := range of {
		texts[i] = strconv.Itoa(n)
	}
	return cobra.FixedCompletions(texts, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
}
