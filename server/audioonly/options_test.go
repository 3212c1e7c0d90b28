package audioonly_test

import (
	"slices"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestOptions tests the options that look at a file's clock, chapters or tags, with sound
// that begins after the picture.
func TestOptions(t *testing.T) {
	t.Parallel()
	quality := 6
	late := func(args []string) []string {
		return slices.Concat(args, []string{"-filter:a", "asetpts=PTS+0.4/TB", "-metadata", "title=Talk", "-metadata", "location=+48.1+11.5/"})
	}
	var variants []variant
	for name, args := range map[string][]string{
		"plain.mp4":     late(chapters()),
		"fragments.mp4": late(chapters("-movflags", "frag_keyframe+empty_moov")),
		"clusters.mkv":  late(chapters("-cluster_time_limit", "500")),
	} {
		for what, o := range map[string]sx.Options{
			"section":           {Start: 0.7, End: 2.1},
			"end of it":         {Start: 1.3, Preset: sx.PresetSpeech},
			"nothing of it":     {Start: 99},
			"loudness":          {Loudness: "-18"},
			"split by chapters": {SplitChapters: true, Loudness: sx.LoudnessAuto},
			"all tags":          {KeepAllTags: true, Quality: &quality, Mono: true},
		} {
			variants = append(variants, variant{name: what + ", " + name, args: args, options: o})
		}
	}
	variants = append(variants, variant{name: "split by time.mp4", args: long(), options: sx.Options{SplitEvery: 20}})
	testVariants(t, variants)
}
