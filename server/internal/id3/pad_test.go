package id3_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
)

// TestReserve checks that the tag fits into what was reserved for it before the places
// of the chapters were known.
func TestReserve(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // chapters, not secrets
	for range 200 {
		src := id3.Source{Tags: []map[string]string{{"title": strings.Repeat("t", random.IntN(2))}}}
		for range random.IntN(600) {
			src.Chapters = append(src.Chapters, id3.Chapter{
				Start: time.Duration(random.IntN(20)) * time.Millisecond, Title: strings.Repeat("ä", random.IntN(3)),
			})
		}
		size, warnings := id3.Reserve(src, false)
		if len(warnings) > 0 {
			t.Fatal(warnings)
		}
		for i := range src.Chapters { // a gap before each, or all cut off
			src.Chapters[i].Start += time.Duration(i) * time.Duration(random.IntN(3)) * time.Millisecond
		}
		src.Duration = time.Duration(random.IntN(100)-50) * 20 * time.Millisecond
		tag, _ := id3.Build(src, false)
		padded, err := id3.Pad(tag, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(padded) != size || !bytes.HasPrefix(padded[min(10, size):], tag[min(10, len(tag)):]) {
			t.Fatalf("%d bytes of %d", len(padded), size)
		}
		own, err := id3.Read(bytes.NewReader(padded), int64(len(padded)), "mp3")
		if err != nil || (len(own.Frames) > 0) != (len(tag) > 0) {
			t.Fatalf("%d frames are read: %v", len(own.Frames), err)
		}
	}
}

func TestReserveOfTooManyChapters(t *testing.T) {
	t.Parallel()
	for _, titles := range []func(i int) string{
		func(i int) string { return strings.Repeat("a long title", min(i/50, 40)) }, // the first ones, of which one is kept, are short
		func(i int) string { return strings.Repeat("t", i%2) },                      // the numbers are longer than the titles
		func(i int) string { return strings.Repeat("\xE4", i%3) },                   // not UTF-8
	} {
		var src id3.Source
		for i := range 10_050 {
			src.Chapters = append(src.Chapters, id3.Chapter{Start: time.Duration(max(i, 50)) * time.Second, Title: titles(i)})
		}
		size, warnings := id3.Reserve(src, false)
		tag, _ := id3.Build(src, false)
		if len(tag) > size || len(warnings) != 1 {
			t.Errorf("%d bytes reserved for %d, warnings %v", size, len(tag), warnings)
		}
	}
}

func TestPad(t *testing.T) {
	t.Parallel()
	tag, _ := id3.Build(one(tags{"title": "T"}), false)
	if got, err := id3.Pad(tag, len(tag)); err != nil || !bytes.Equal(got, tag) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := id3.Pad(tag, len(tag)-1); err == nil {
		t.Error("a tag was cut")
	}
	if got, err := id3.Pad(nil, 0); err != nil || len(got) != 0 {
		t.Errorf("%x, %v", got, err)
	}
	got, err := id3.Pad(nil, 300)
	if err != nil || len(got) != 300 || string(got[:10]) != "ID3\x04\x00\x00\x00\x00\x02\x22" {
		t.Errorf("%x, %v", got, err)
	}
}
