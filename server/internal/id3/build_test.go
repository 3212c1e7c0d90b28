package id3_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bogem/id3v2/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/internal/id3"
)

// frame is a frame as it is in the tag.
type frame struct {
	id   string
	body []byte
}

// split checks the structure of a tag of version 2.4 and returns its frames.
func split(t *testing.T, tag []byte) []frame {
	t.Helper()
	if len(tag) == 0 {
		return nil
	}
	if string(tag[:6]) != "ID3\x04\x00\x00" || size(tag[6:]) != len(tag)-10 {
		t.Fatalf("header %x for a tag of %d bytes", tag[:10], len(tag))
	}
	return subframes(t, tag[10:])
}

func subframes(t *testing.T, b []byte) (frames []frame) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 10 || len(b) < 10+size(b[4:]) || b[8] != 0 || b[9] != 0 {
			t.Fatalf("frame header %x before %d bytes", b[:min(10, len(b))], len(b))
		}
		end := 10 + size(b[4:])
		frames = append(frames, frame{string(b[:4]), b[10:end]})
		b = b[end:]
	}
	return frames
}

func size(b []byte) int {
	return int(b[0])<<21 | int(b[1])<<14 | int(b[2])<<7 | int(b[3])
}

// dump returns a line for each frame, in the order of the tag. The texts are decoded by
// the library's reader.
func dump(t *testing.T, tag []byte) (lines []string) {
	t.Helper()
	frames := split(t, tag)
	for _, f := range frames {
		one := append([]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), f.id...)
		one = append(one, sizeOf(len(f.body))...)
		one = append(append(one, 0, 0), f.body...)
		copy(one[6:], sizeOf(len(one)-10))
		parsed, err := id3v2.ParseReader(bytes.NewReader(one), id3v2.Options{Parse: true})
		if err != nil {
			t.Fatalf("%s: %v", f.id, err)
		}
		switch v := parsed.GetLastFrame(f.id).(type) {
		case id3v2.TextFrame:
			lines = append(lines, f.id+"="+strings.ReplaceAll(v.Text, "\x00", " | "))
		case id3v2.UserDefinedTextFrame:
			lines = append(lines, f.id+":"+v.Description+"="+strings.ReplaceAll(v.Value, "\x00", " | "))
		case id3v2.CommentFrame:
			lines = append(lines, f.id+":"+v.Language+":"+v.Description+"="+v.Text)
		case id3v2.UnsynchronisedLyricsFrame:
			lines = append(lines, f.id+":"+v.Language+":"+v.ContentDescriptor+"="+v.Lyrics)
		case id3v2.PictureFrame:
			lines = append(lines, fmt.Sprintf("%s:%s:%d:%s=%d bytes", f.id, v.MimeType, v.PictureType, v.Description, len(v.Picture)))
		default:
			lines = append(lines, fmt.Sprintf("%s=%s", f.id, bytes.ReplaceAll(f.body, []byte{0}, []byte{'.'})))
		}
	}
	return lines
}

func sizeOf(n int) []byte {
	return []byte{byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
}

type tags = map[string]string

func one(t tags) id3.Source { return id3.Source{Tags: []map[string]string{t}} }

func TestBuild(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 40_000)
	tests := []struct {
		name    string
		src     id3.Source
		keepAll bool
		want    []string
	}{
		{"nothing", id3.Source{}, false, nil},
		{"MP4", one(tags{
			"major_brand": "M4A ", "minor_version": "512", "compatible_brands": "isomiso2", "encoder": "Lavf59",
			"title": "Tïtel", "artist": "Anna", "album_artist": "AA", "composer": "C", "date": "2021-06-07T07:00:00Z",
			"comment": "cmt", "genre": "Jazz", "copyright": "©", "grouping": "g", "lyrics": "la\r\nla", "show": "Sh",
			"season_number": "2", "episode_sort": "3", "compilation": "1", "track": "7/9", "disc": "1/0", "tmpo": "119.6",
			"media_type": "1", "gapless_playback": "0", "iTunSMPB": " 00000000 00000840", "account_id": "ada@example.org",
			"sort_artist": "A", "creation_time": "2021-06-08T01:02:03Z",
		}), false, []string{
			"TIT2=Tïtel", "TPE1=Anna", "TALB=", "TPE2=AA", "TRCK=7/9", "TPOS=1", "TDRC=2021-06-07", "TCON=Jazz", "TCOM=C",
			"TIT1=g", "TCMP=1", "TBPM=120", "TCOP=©", "TSOP=A", "COMM:XXX:=cmt", "USLT:XXX:=la\nla",
			"TXXX:EPISODE=3", "TXXX:SEASON=2", "TXXX:SHOW=Sh",
		}},
		{"the place and the device", one(tags{
			"com.apple.quicktime.location.ISO6709": "+48.2082+016.3738/", "location": "+48.2+016.3/", "location-eng": "+48.2+016.3/",
			"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone", "com.apple.quicktime.software": "17.1",
			"com.android.version": "14", "com.apple.quicktime.creationdate": "2023-08-09T10:11:12+0200",
			"com.apple.quicktime.title": "A day", "comment": "a comment", "lyrics": "la la",
		}), false, []string{"TIT2=A day", "TDRC=2023-08-09", "COMM:XXX:=a comment", "USLT:XXX:=la la"}},
		{"all tags", one(tags{
			"location": "+48.2+016.3/", "model": "X", "title": "T", "encoder": "E", "iTunSMPB": " 0 1", "REPLAYGAIN_TRACK_GAIN": "-7 dB",
			"R128_TRACK_GAIN": "1", "MVP\x00\n 2": "two\nlines",
		}), true, []string{"TIT2=T", "TXXX:encoder=E", "TXXX:location=+48.2+016.3/", "TXXX:model=X", "TXXX:MVP  2=two\nlines"}},
		{"a copied MP3 keeps its gain", id3.Source{Copied: true, Tags: []map[string]string{{
			"REPLAYGAIN_TRACK_GAIN": "-7.03 dB", "replaygain_track_peak": "0.9",
		}}}, false, []string{"TXXX:REPLAYGAIN_TRACK_GAIN=-7.03 dB", "TXXX:REPLAYGAIN_TRACK_PEAK=0.9"}},
		{"Matroska", one(tags{
			"title": "T", "ARTIST": "A", "DATE_RELEASED": "2019", "PART_NUMBER": "3", "TOTAL_PARTS": "12", "COMMENT": "c",
			"LANGUAGE": "English", "LABEL": "L", "PUBLISHER": "P", "PURL": "https://example.org/a?b=c", "DURATION": "00:00:01.0",
			"_STATISTICS_WRITING_APP": "x", "DESCRIPTION": "d", "SYNOPSIS": "d", "TITLE-fre": "Titre", "COMMENT-ger": "Anmerkung",
		}), false, []string{
			"TIT2=T", "TPE1=A", "TRCK=3/12", "TDRC=2019", "TDRL=2019", "TPUB=P", "WOAS=https://example.org/a?b=c",
			"COMM:XXX:=c", "COMM:XXX:description=d", "COMM:ger:=Anmerkung", "TXXX:LABEL=L",
		}},
		{"Vorbis comments with several values", id3.Source{Demuxer: "flac", Tags: []map[string]string{{
			"artist": "Anna;Bob;Çelik", "TITLE": "A;B", "GENRE": "Jazz;Rock", "PRODUCER": "P;Q", "Engineer": "P", "PERFORMER": "X (violin)",
			"comment": "one;two", "TRACKTOTAL": "9", "track": "07", "musicbrainz_albumid": "1-2",
		}}}, false, []string{
			"TIT2=A;B", "TPE1=Anna | Bob | Çelik", "TRCK=7/9", "TCON=Jazz | Rock", "TIPL=engineer | P | producer | P | producer | Q",
			"COMM:XXX:=one;two", "TXXX:MusicBrainz Album Id=1-2", "TXXX:PERFORMER=X (violin)",
		}},
		{
			"other containers do not join values",
			id3.Source{Demuxer: "mov", Tags: []map[string]string{{"artist": "Anna;Bob"}}},
			false,
			[]string{"TPE1=Anna;Bob"},
		},
		{"Windows Media", one(tags{
			"album_artist": "AA", "title": "T", "WM/Lyrics": "la", "WM/BeatsPerMinute": "100", "WM/ISRC": "US1", "WM/Conductor": "C",
			"WMFSDKNeeded": "0.0", "WM/AuthorURL": "https://example.org/", "WM/Mood": "calm", "WM/InitialKey": "Am",
			"DeviceConformanceTemplate": "L2", "WM/Language": "de-AT",
		}), false, []string{
			"TIT2=T", "TPE2=AA", "TPE3=C", "TBPM=100", "TKEY=Am", "TMOO=calm", "TLAN=deu", "TSRC=US1",
			"WOAR=https://example.org/", "USLT:XXX:=la",
		}},
		{
			"APE", one(tags{"Artist": "A", "Album Artist": "AA", "Year": "1999", "Track": "3/4", "Disc": "2"}), false,
			[]string{"TPE1=A", "TPE2=AA", "TRCK=3/4", "TPOS=2", "TDRC=1999"},
		},
		{"frame IDs as names", one(tags{"TBPM": "90", "TSRC": "X"}), false, []string{"TBPM=90", "TSRC=X"}},
		{"a podcast", one(tags{
			"podcast": "1", "podcast_url": "https://example.org/feed", "category": "Science", "keywords": "a, b", "episode_uid": "u",
		}), false, []string{"PCST=....", "TCAT=Science", "TGID=u", "TKWD=a, b", "WFED=https://example.org/feed"}},
		{
			"a license that is not a URL", one(tags{"license": "CC BY 4.0", "url": "javascript:alert(1)"}), false,
			[]string{"TXXX:LICENSE=CC BY 4.0", "TXXX:PURL=javascript:alert(1)"},
		},
		{"false is not written", one(tags{"compilation": "0", "podcast": "0"}), false, nil},
		{
			"a comment with a language", one(tags{"comment": "c", "comment-eng": "c", "lyrics-deu": "l"}), false,
			[]string{"COMM:eng:=c", "USLT:deu:=l"},
		},
		{
			"a description is the comment if there is none", one(tags{"description": "d", "synopsis": "s"}), false,
			[]string{"COMM:XXX:=d", "COMM:XXX:synopsis=s"},
		},
		{
			"controls and invalid UTF-8", one(tags{"title": "a\x00b\x1b[1mc\nd\u0085", "artist": "Gr\xf6\xdfe \x80", "album": "\uFEFF ", "comment": "a\rb\x07"}), false,
			[]string{"TIT2=ab[1mc d", "TPE1=Größe €", "COMM:XXX:=a\nb"},
		},
		{
			"long values end between characters", one(tags{"title": "x" + long, "comment": "x" + long}), false,
			[]string{"TIT2=x" + strings.Repeat("ä", 2047), "COMM:XXX:=x" + strings.Repeat("ä", 32767)},
		},
		{"credits once", id3.Source{Demuxer: "ogg", Tags: []map[string]string{{"producer": "P;;P;Q"}}}, false, []string{"TIPL=producer | P | producer | Q"}},
		{"tempo", one(tags{"tempo": "fast", "tmpo": "0"}), false, nil},
		{"the track's language", id3.Source{Language: "ger"}, false, []string{"TLAN=ger"}},
		{"no language", id3.Source{Language: "und"}, false, nil},
		{
			"earlier tags first",
			id3.Source{Tags: []map[string]string{{"title": "a"}, {"TITLE": "b", "artist": "c"}}},
			false,
			[]string{"TIT2=a", "TPE1=c"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tag, _ := build(tt.src, tt.keepAll)
			want := slices.DeleteFunc(tt.want, func(l string) bool { return l == "TALB=" })
			if diff := cmp.Diff(want, dump(t, tag)); diff != "" {
				t.Error(diff)
			}
			if again, _ := build(tt.src, tt.keepAll); !bytes.Equal(again, tag) {
				t.Error("another run made other bytes")
			}
		})
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2021": "2021", "2021-06": "2021-06", "20210607": "2021-06-07", "2021/6/7": "2021-06-07", "2021:06:07 08:09:10": "2021-06-07",
		"2021-06-07T08:09:10Z": "2021-06-07", "2021-02-30": "2021-02", "2021-13-01": "2021", "1999-00-00": "1999", "0000": "",
		"Sun Jan 02 2005": "2005", "yesterday": "", "12345": "", "2021-06-07 extra": "2021-06-07",
	} {
		tag, _ := build(one(tags{"date": in}), false)
		var lines []string
		if want != "" {
			lines = []string{"TDRC=" + want}
		}
		if diff := cmp.Diff(lines, dump(t, tag)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"7": "7", "07/09": "7/9", "7 of 9": "7/9", "0/0": "", "0": "", "3/0": "3", "A1": "", "-1": "", "999999": "", " 12 ": "12",
	} {
		tag, _ := build(one(tags{"track": in}), false)
		var lines []string
		if want != "" {
			lines = []string{"TRCK=" + want}
		}
		if diff := cmp.Diff(lines, dump(t, tag)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestASCIIIsReadableEverywhere(t *testing.T) {
	t.Parallel()
	tag, _ := build(one(tags{"title": "plain", "artist": "Ça"}), false)
	frames := split(t, tag)
	if frames[0].body[0] != 0 || frames[1].body[0] != 3 {
		t.Errorf("encodings %d and %d, want ISO 8859-1 for ASCII and UTF-8 for the rest", frames[0].body[0], frames[1].body[0])
	}
}

func TestValidReport(t *testing.T) {
	t.Parallel()
	in := "{\n\"title\": \"Gr\xf6\xdfe\",\n\"artist\": \"Größe\"\n}"
	if got := string(id3.ValidReport([]byte(in))); got != "{\n\"title\": \"Größe\",\n\"artist\": \"Größe\"\n}" {
		t.Errorf("got %q", got)
	}
	if valid := "{\"title\": \"Größe\"}"; string(id3.ValidReport([]byte(valid))) != valid {
		t.Error("a valid report was changed")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	many := tags{}
	for i := range 5000 {
		many[fmt.Sprintf("tag %d", i)] = strings.Repeat("x", 3000)
	}
	many["title"], many["comment"] = "T", "c"
	tag, notes := build(one(many), true)
	if len(tag) > 1<<20+10 || len(split(t, tag)) < 300 || !slices.Equal(dump(t, tag)[:2], []string{"TIT2=T", "COMM:XXX:=c"}) {
		t.Errorf("%d bytes, %d frames", len(tag), len(split(t, tag)))
	}
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "too many tags") }) {
		t.Errorf("notes %q", notes)
	}
	small := tags{}
	for i := range 2000 {
		small[fmt.Sprintf("tag %d", i)] = "x"
	}
	if tag, notes := build(one(small), true); len(split(t, tag)) != 1024 || len(notes) != 1 {
		t.Errorf("%d frames, notes %q", len(split(t, tag)), notes)
	}
	values := strings.Repeat("v;", 300)
	for name, want := range map[string]int{"artist": 256, "producer": 2} { // the same person once
		tag, _ := build(id3.Source{Demuxer: "ogg", Tags: []map[string]string{{name: values}}}, false)
		if got := strings.Count(strings.Join(dump(t, tag), ""), "|") + 1; got != want {
			t.Errorf("%s: %d values, want %d", name, got, want)
		}
	}
	_, notes = build(one(tags{"title": strings.Repeat("x", 5000)}), false)
	if len(notes) != 1 || !strings.Contains(notes[0], "shortened") {
		t.Errorf("notes %q", notes)
	}
	if _, notes = build(one(tags{"title": "T", "location": "x"}), false); len(notes) != 0 {
		t.Errorf("notes %q on what the list leaves out", notes)
	}
}

// build builds a tag, and returns the messages of the warnings.
func build(src id3.Source, keepAll bool) (tag []byte, notes []string) {
	tag, warnings := id3.Build(src, keepAll)
	for _, w := range warnings {
		notes = append(notes, w.Message)
	}
	return tag, notes
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
