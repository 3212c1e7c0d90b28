package sx_test

import (
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestKey checks that options have the same key if and only if they give the same MP3.
func TestKey(t *testing.T) {
	t.Parallel()
	two, three := 2, 3
	seen := map[string]int{}
	for i, same := range [][]sx.Options{
		{{}, {Preset: sx.PresetStandard}},
		{{Preset: sx.PresetSpeech}, {Preset: sx.PresetSpeech, Mono: true}},
		{{Preset: sx.PresetHigh}},
		{{Mono: true}},
		{{Bitrate: 128}, {Bitrate: 128, Preset: sx.PresetHigh}},
		{{Bitrate: 128, Mono: true}, {Bitrate: 128, Preset: sx.PresetSpeech}},
		{{Quality: &two}},
		{{Quality: &three}},
		{{Track: "eng"}, {Track: "ENG"}},
		{{Track: "2"}},
		{{KeepAllTags: true}},
		{{Start: 90}, {Start: 90.0001}},
		{{End: 90}},
		{{Start: 90.001}},
		{{Loudness: "auto"}},
		{{Loudness: "-18"}},
		{{SplitChapters: true}},
		{{SplitEvery: 60}, {SplitEvery: 60.0001}},
		{{SplitEvery: 90}},
		{{Title: "a"}, {Title: " a\u202e"}},
		{{Title: "A"}},
		{{Artist: "a"}},
		{{Album: "a"}},
		{{Title: "a\"\nalbum=\"b"}},
		{{Title: "a", Album: "b"}},
	} {
		for _, o := range same {
			if other, found := seen[o.Key()]; found && other != i {
				t.Errorf("%+v has the key of case %d", o, other)
			}
			seen[o.Key()] = i
		}
		if len(seen) != i+1 {
			t.Fatalf("case %d has %d new keys", i, len(seen)-i)
		}
	}
	// Keys are stored for years, so they must not change.
	if key := (sx.Options{Preset: sx.PresetHigh, Track: "2"}).Key(); key != "bc760460ce865646d8157b6fb75c2d54" {
		t.Errorf("the key has become %s", key)
	}
}
