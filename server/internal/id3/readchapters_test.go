package id3_test

import (
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
)

// TestReadChapters checks that the chapters of a tag are read as they were written, and that
// nothing is read beyond the end of a damaged one.
func TestReadChapters(t *testing.T) {
	t.Parallel()
	want := []id3.Chapter{{End: 2 * time.Second, Title: "Anfang"}, {Start: 2 * time.Second, End: 3 * time.Second, Title: "Größe"}}
	tag, _ := id3.Build(id3.Source{Chapters: want, Duration: 3 * time.Second}, false)
	if got := id3.Parse(tag).Chapters(); !slices.Equal(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	for n := range tag {
		if got := id3.Parse(tag[:n:n]).Chapters(); len(got) > len(want) {
			t.Errorf("of %d bytes: %+v", n, got)
		}
	}
	for _, data := range []string{"", "\x00", "a", "a\x00short", "a\x00" + "0123456789abcdef" + "TIT2\x00\x00\x7f\x7f"} {
		broken := id3.Tag{Frames: []id3.Frame{{ID: "CHAP", Data: []byte(data)}}}
		if got := broken.Chapters(); len(got) > 1 || len(got) == 1 && got[0].Title != "" {
			t.Errorf("%q: %+v", data, got)
		}
	}
}
