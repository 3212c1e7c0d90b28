package sx_test

import (
	"math"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

func TestOptionsCheck(t *testing.T) {
	t.Parallel()
	q := func(n int) *int { return &n }
	for _, c := range []struct {
		name string
		in   sx.Options
		ok   bool
	}{
		{"nothing", sx.Options{}, true},
		{"every preset's name", sx.Options{Preset: sx.PresetHigh}, true},
		{"unknown preset", sx.Options{Preset: "huge"}, false},
		{"bit rate", sx.Options{Bitrate: 96}, true},
		{"bit rate MP3 does not have", sx.Options{Bitrate: 100}, false},
		{"best quality", sx.Options{Quality: q(0)}, true},
		{"quality off the scale", sx.Options{Quality: q(10)}, false},
		{"negative quality", sx.Options{Quality: q(-1)}, false},
		{"both rates", sx.Options{Bitrate: 96, Quality: q(2)}, false},
		{"track number", sx.Options{Track: "2"}, true},
		{"track language", sx.Options{Track: "eng"}, true},
		{"language with region", sx.Options{Track: "pt-BR"}, true},
		{"track zero", sx.Options{Track: "0"}, false},
		{"a part", sx.Options{Start: 1.5, End: 2}, true},
		{"from a place to the end", sx.Options{Start: 3600}, true},
		{"end before the start", sx.Options{Start: 2, End: 1}, false},
		{"nothing between", sx.Options{Start: 2, End: 2}, false},
		{"negative start", sx.Options{Start: -1}, false},
		{"no number", sx.Options{End: math.NaN()}, false},
		{"endless", sx.Options{End: math.Inf(1)}, false},
		{"usual loudness", sx.Options{Loudness: "auto"}, true},
		{"loudness", sx.Options{Loudness: "-18.5"}, true},
		{"too loud", sx.Options{Loudness: "0"}, false},
		{"too quiet", sx.Options{Loudness: "-70"}, false},
		{"loudness with an argument", sx.Options{Loudness: "-18:x"}, false},
		{"loudness that is no number", sx.Options{Loudness: "NaN"}, false},
		{"chapters", sx.Options{SplitChapters: true}, true},
		{"a minute", sx.Options{SplitEvery: 60}, true},
		{"less than a minute", sx.Options{SplitEvery: 59.9}, false},
		{"no length", sx.Options{SplitEvery: math.NaN()}, false},
		{"negative length", sx.Options{SplitEvery: -60}, false},
		{"endless length", sx.Options{SplitEvery: math.Inf(1)}, false},
		{"chapters and a length", sx.Options{SplitChapters: true, SplitEvery: 60}, false},
		{"track with an argument in it", sx.Options{Track: "1 -i /etc/passwd"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.in.Check()
			if c.ok && err != nil || !c.ok && sx.CodeOf(err) != sx.CodeInvalid {
				t.Errorf("Check() = %v, want ok %v", err, c.ok)
			}
			if !c.ok && sx.AsError(err).Hint == "" {
				t.Error("the error has no hint")
			}
		})
	}
}

func TestUserName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ada":                   "ada",
		"  Ada ":                "ada",
		"ada@example.org":       "ada@example.org",
		"a.b_c+d-1":             "a.b_c+d-1",
		"ab":                    "",
		"":                      "",
		"-ada":                  "",
		"a/../b":                "",
		"ada lovelace":          "",
		strings.Repeat("a", 65): "",
		strings.Repeat("a", 64): strings.Repeat("a", 64),
	} {
		got, err := sx.UserName(in)
		if want == "" {
			if sx.CodeOf(err) != sx.CodeInvalid {
				t.Errorf("UserName(%q) = %q, %v; want code invalid", in, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("UserName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 10000 {
		id := sx.NewID()
		if len(id) != 16 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" || seen[id] {
			t.Fatalf("bad or repeated id %q", id)
		}
		seen[id] = true
	}
}
