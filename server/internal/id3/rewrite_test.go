package id3_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
)

func text(s string) *string { return &s }

func lecture(t *testing.T) id3.Source {
	t.Helper()
	return id3.Source{
		Demuxer: "matroska,webm", Language: "eng", Duration: time.Minute, Cover: pngFile(t, true),
		Tags:     []map[string]string{{"title": "Räume", "artist": "Ada", "album": "Klang", "titlesort": "Raume", "genre": "Speech", "comment": "x"}},
		Chapters: []id3.Chapter{{Start: 0, End: 9 * time.Second, Title: "One"}},
	}
}

// TestRewriteIsLikeBuild checks that an edited tag is the one that a conversion with the
// same texts makes.
func TestRewriteIsLikeBuild(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]id3.Texts{
		"title":  {Title: "Another title, which is longer than the first"},
		"artist": {Artist: "Grace"},
		"all":    {Title: "t", Artist: "a", Album: "b"},
	} {
		src := lecture(t)
		before, _ := id3.Build(src, false)
		src.Set = set
		want, _ := id3.Build(src, false)
		change := id3.Change{}
		for to, from := range map[**string]string{&change.Title: set.Title, &change.Artist: set.Artist, &change.Album: set.Album} {
			if from != "" {
				*to = text(from)
			}
		}
		got, err := id3.Rewrite(before, change)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < len(before) || int(id3.Size(got)) != len(got) {
			t.Errorf("%s: %d bytes became %d", name, len(before), len(got))
		}
		if want, err = id3.Pad(want, len(got)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%q\nwant\n%q, %v", name, got, want, err)
		}
	}
}

func TestRewriteRemoves(t *testing.T) {
	t.Parallel()
	before, _ := id3.Build(lecture(t), false)
	if got := id3.Main(before); got != (id3.Texts{Title: "Räume", Artist: "Ada", Album: "Klang"}) {
		t.Errorf("the tag has %+v", got)
	}
	after, err := id3.Rewrite(before, id3.Change{Title: text(""), Album: text(" \x00")})
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d bytes became %d: %v", len(before), len(after), err)
	}
	if got := id3.Main(after); got != (id3.Texts{Artist: "Ada"}) {
		t.Errorf("the tag has %+v", got)
	}
	again, err := id3.Rewrite(after, id3.Change{})
	if err != nil || !bytes.Equal(again, after) {
		t.Errorf("no change: %v\n%q\n%q", err, after, again)
	}
}

// TestRewriteNothing checks an MP3 without a tag.
func TestRewriteNothing(t *testing.T) {
	t.Parallel()
	if n := id3.Size([]byte("\xff\xfb\x90\x00aaaaaa")); n != 0 {
		t.Errorf("a frame of audio is a tag of %d bytes", n)
	}
	if got := id3.Main(nil); got != (id3.Texts{}) {
		t.Errorf("no tag has %+v", got)
	}
	tag, err := id3.Rewrite(nil, id3.Change{Title: text("a")})
	if err != nil || id3.Main(tag).Title != "a" {
		t.Errorf("got %q, %v", tag, err)
	}
	if tag, err = id3.Rewrite(nil, id3.Change{Title: text("")}); err != nil || len(tag) > 0 {
		t.Errorf("got %q, %v", tag, err)
	}
}

// TestRewriteIsBounded checks damaged tags and long texts.
func TestRewriteIsBounded(t *testing.T) {
	t.Parallel()
	good, _ := id3.Build(lecture(t), false)
	long, err := id3.Rewrite(good, id3.Change{Title: text(strings.Repeat("ä", 1<<20))})
	if err != nil || len(long) > len(good)+5000 {
		t.Errorf("%d bytes became %d: %v", len(good), len(long), err)
	}
	for n := range 250 { // the rest is the cover
		damaged := bytes.Clone(good)
		damaged[n] ^= 0x55
		if out, err := id3.Rewrite(damaged, id3.Change{Title: text("a")}); err == nil && int(id3.Size(out)) != len(out) {
			t.Fatalf("byte %d: the result has %d bytes and says %d", n, len(out), id3.Size(out))
		}
		if _, err := id3.Rewrite(good[:n], id3.Change{}); err == nil && n > 0 {
			t.Errorf("a tag cut after %d bytes was accepted", n)
		}
		id3.Main(damaged)
	}
}
