package cmdutil_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	zero := 0
	tests := []struct {
		name string
		args []string
		want sx.Options
		bad  bool
	}{
		{"none", nil, sx.Options{}, false},
		{"preset", []string{"--preset", "high"}, sx.Options{Preset: sx.PresetHigh}, false},
		{"the best quality is not the absence of one", []string{"--quality", "0"}, sx.Options{Quality: &zero}, false},
		{"more", []string{"--bitrate", "96", "--mono", "--track", "2"}, sx.Options{Bitrate: 96, Mono: true, Track: "2"}, false},
		{"all tags", []string{"--keep-all-tags"}, sx.Options{KeepAllTags: true}, false},
		{"seconds", []string{"--start", "90.5", "--end", "100"}, sx.Options{Start: 90.5, End: 100}, false},
		{"a duration and a time", []string{"--start", "1m30s", "--end", "1:02:03.25"}, sx.Options{Start: 90, End: 3723.25}, false},
		{"minutes", []string{"--start", "90:05"}, sx.Options{Start: 5405}, false},
		{"usual loudness", []string{"--loudness"}, sx.Options{Loudness: "auto"}, false},
		{"loudness", []string{"--loudness=-18"}, sx.Options{Loudness: "-18"}, false},
		{"too loud", []string{"--loudness=3"}, sx.Options{}, true},
		{"split by time", []string{"--split-every", "30m"}, sx.Options{SplitEvery: 1800}, false},
		{"split by chapters", []string{"--split-chapters"}, sx.Options{SplitChapters: true}, false},
		{"split both ways", []string{"--split-chapters", "--split-every", "1h"}, sx.Options{}, true},
		{"end before the start", []string{"--start", "2", "--end", "1"}, sx.Options{}, true},
		{"no such bit rate", []string{"--bitrate", "97"}, sx.Options{}, true},
		{"off the scale", []string{"--quality", "10"}, sx.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := &cobra.Command{Use: "x"}
			read := cmdutil.AddEncodeFlags(cmd)
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			got, err := read()
			if tt.bad {
				if sx.CodeOf(err) != sx.CodeInvalid {
					t.Errorf("got %v", err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestCompletionOffersWhatIsAllowed(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{Use: "x"}
	cmdutil.AddEncodeFlags(cmd)
	complete, ok := cmd.GetFlagCompletionFunc("preset")
	if !ok {
		t.Fatal("--preset is not completed")
	}
	offers, _ := complete(cmd, nil, "")
	var names []sx.Preset
	for _, o := range offers {
		for _, p := range sx.Presets() {
			if len(o) > len(p) && o[:len(p)] == string(p) {
				names = append(names, p)
			}
		}
	}
	if !slices.Equal(names, sx.Presets()) {
		t.Errorf("offered %v", names)
	}
}

func TestBadPosition(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "x", "-1", "1:60", "1:60:00", "1:2:3:4", "NaN", "Inf", "-5s", "1e9", "5000:00:00"} {
		cmd := &cobra.Command{Use: "x"}
		cmdutil.AddEncodeFlags(cmd)
		if err := cmd.ParseFlags([]string{"--start", s}); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}
