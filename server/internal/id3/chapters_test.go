package id3_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/internal/id3"
)

// toc is what a tag says about chapters.
type toc struct {
	chapters []string                 // start-end title, in milliseconds
	order    []string                 // the chapters' IDs, as the tables list them
	tables   map[string]contentsTable // by ID
}

type contentsTable struct {
	flags   byte
	entries []string
}

// chaptersOf reads the chapters of a tag, and follows the tables from the top.
func chaptersOf(t *testing.T, tag []byte) toc {
	t.Helper()
	c := toc{tables: map[string]contentsTable{}}
	ids := map[string]bool{}
	var top string
	for _, f := range split(t, tag) {
		id, body, _ := bytes.Cut(f.body, []byte{0})
		if f.id == "CTOC" || f.id == "CHAP" {
			if ids[string(id)] {
				t.Fatalf("two elements have the ID %s", id)
			}
			ids[string(id)] = true
		}
		switch f.id {
		case "CTOC":
			table := contentsTable{flags: body[0]}
			for e := range bytes.SplitSeq(bytes.TrimSuffix(body[2:], []byte{0}), []byte{0}) {
				table.entries = append(table.entries, string(e))
			}
			if len(table.entries) != int(body[1]) {
				t.Fatalf("table %s says that it has %d entries, it has %d", id, body[1], len(table.entries))
			}
			c.tables[string(id)] = table
			if table.flags&2 != 0 {
				if top != "" {
					t.Fatal("two tables are the outermost one")
				}
				top = string(id)
			}
		case "CHAP":
			if be32(body[8:]) != 0xFFFFFFFF || be32(body[12:]) != 0xFFFFFFFF {
				t.Fatalf("offsets %x", body[8:16])
			}
			title := subframes(t, body[16:])
			if len(title) != 1 || title[0].id != "TIT2" {
				t.Fatalf("subframes %v", title)
			}
			c.chapters = append(c.chapters, fmt.Sprintf("%d-%d %s", be32(body), be32(body[4:]), strings.Trim(string(title[0].body[1:]), "\x00")))
		}
	}
	var follow func(string)
	follow = func(id string) {
		if !ids[id] {
			t.Fatalf("a table names %q, which does not exist", id)
		}
		for _, e := range c.tables[id].entries {
			if _, ok := c.tables[e]; ok {
				follow(e)
			} else {
				c.order = append(c.order, e)
			}
		}
	}
	if top != "" {
		follow(top)
	}
	return c
}

func TestChapters(t *testing.T) {
	t.Parallel()
	const s, us = time.Second, time.Microsecond
	tests := []struct {
		name     string
		chapters []id3.Chapter
		duration time.Duration
		want     []string
		note     string
	}{
		{"in order", []id3.Chapter{{0, s, "A"}, {s, 2 * s, "Ä"}}, 2 * s, []string{"0-1000 A", "1000-2000 Ä"}, ""},
		{"gaps stay", []id3.Chapter{{0, s, "A"}, {3 * s, 4 * s, "B"}}, 9 * s, []string{"0-1000 A", "3000-4000 B"}, ""},
		{"out of order", []id3.Chapter{{s, 2 * s, "B"}, {0, s, "A"}}, 2 * s, []string{"0-1000 A", "1000-2000 B"}, ""},
		{"overlaps are cut", []id3.Chapter{{0, 5 * s, "A"}, {s, 2 * s, "B"}}, 9 * s, []string{"0-1000 A", "1000-2000 B"}, ""},
		{"ends are filled in", []id3.Chapter{{0, 0, "A"}, {s, 0, "B"}}, 3 * s, []string{"0-1000 A", "1000-3000 B"}, ""},
		{"clipped at the end", []id3.Chapter{{0, 9 * s, "A"}}, 3 * s, []string{"0-3000 A"}, ""},
		{"after the end", []id3.Chapter{{0, s, "A"}, {3 * s, 4 * s, "B"}}, 3 * s, []string{"0-1000 A"}, "left out: 1"},
		{"before the start", []id3.Chapter{{-2 * s, s, "A"}}, 3 * s, []string{"0-1000 A"}, ""},
		{"before the audio", []id3.Chapter{{-2 * s, -s, "A"}, {-s, s, "B"}}, 3 * s, []string{"0-1000 B"}, ""},
		{"the same start", []id3.Chapter{{0, 9 * s, "part"}, {0, s, "chapter"}}, 9 * s, []string{"0-1000 chapter"}, ""},
		{"no title", []id3.Chapter{{0, s, " \x00"}, {s, 2 * s, ""}}, 2 * s, []string{"0-1000 1", "1000-2000 2"}, ""},
		{"a title of two lines", []id3.Chapter{{0, s, "a\nb"}}, 2 * s, []string{"0-1000 a b"}, ""},
		{"less than a millisecond", []id3.Chapter{{0, 500 * us, "A"}, {1500 * us, 1900 * us, "B"}}, s, nil, ""},
		{"unknown duration", []id3.Chapter{{0, 0, "A"}}, 0, []string{"0-4294967294 A"}, ""},
		{"more than 49 days", []id3.Chapter{{0, s, "A"}, {5_000_000 * s, 5_000_001 * s, "B"}}, 0, []string{"0-1000 A"}, "left out: 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tag, notes := build(id3.Source{Chapters: tt.chapters, Duration: tt.duration}, false)
			if diff := cmp.Diff(tt.want, chaptersOf(t, tag).chapters); diff != "" {
				t.Error(diff)
			}
			if joined := strings.Join(notes, "\n"); (tt.note == "") != (len(notes) == 0) || !strings.Contains(joined, tt.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestManyChapters(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 254, 255, 256, 300, 510, 511, 10_000, 10_001} {
		var all []id3.Chapter
		for i := range n {
			all = append(all, id3.Chapter{Start: time.Duration(i) * time.Second, Title: strings.Repeat("t", i%600)})
		}
		tag, notes := build(id3.Source{Chapters: all, Duration: time.Duration(n) * time.Second}, false)
		c := chaptersOf(t, tag)
		kept := min(n, 10_000)
		if len(c.chapters) != kept || len(c.order) != kept || c.order[kept-1] != fmt.Sprintf("ch%d", kept) || len(notes) != n-kept {
			t.Errorf("%d chapters: %d written, %d listed, notes %q", n, len(c.chapters), len(c.order), notes)
		}
		if tables := (kept + 254) / 255; kept > 255 && len(c.tables) != tables+1 || kept <= 255 && len(c.tables) != 1 {
			t.Errorf("%d chapters have %d tables", n, len(c.tables))
		}
	}
}
