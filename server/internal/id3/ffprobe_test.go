package id3_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/testkit"
)

// report is the part of ffprobe's report that the package is made for.
type report struct {
	Format struct {
		Tags map[string]string `json:"tags"`
	} `json:"format"`
	Streams []struct {
		Type        string            `json:"codec_type"`
		Codec       string            `json:"codec_name"`
		Tags        map[string]string `json:"tags"`
		Disposition struct {
			Picture int `json:"attached_pic"`
		} `json:"disposition"`
	} `json:"streams"`
	Chapters []struct {
		Start string            `json:"start_time"`
		End   string            `json:"end_time"`
		Tags  map[string]string `json:"tags"`
	} `json:"chapters"`
}

func probe(t *testing.T, path string) (r report) {
	t.Helper()
	out := run(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters", "-of", "json=string_validation=ignore", path)
	if err := json.Unmarshal(id3.ValidReport(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return out
}

// media makes a file of a second with ffmpeg.
func media(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	line := append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1"}, args...)
	run(t, "ffmpeg", append(line, path)...)
	return path
}

// source returns the metadata of a file, as a conversion finds it.
func source(t *testing.T, path, demuxer string) id3.Source {
	t.Helper()
	r := probe(t, path)
	src := id3.Source{Demuxer: demuxer, Tags: []map[string]string{r.Format.Tags}, Duration: time.Second}
	if demuxer == "ogg" {
		src.Tags = append(src.Tags, r.Streams[0].Tags)
	}
	for _, c := range r.Chapters {
		start, _ := time.ParseDuration(c.Start + "s")
		end, _ := time.ParseDuration(c.End + "s")
		src.Chapters = append(src.Chapters, id3.Chapter{Start: start, End: end, Title: c.Tags["title"]})
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if src.Own, err = id3.Read(f, info.Size(), demuxer); err != nil {
		t.Fatal(err)
	}
	src.Cover = src.Own.Front()
	return src
}

// mp3 puts a tag in front of an MP3 and returns what ffprobe says about it.
func mp3(t *testing.T, tag []byte) report {
	t.Helper()
	plain, err := os.ReadFile(media(t, "plain.mp3", "-id3v2_version", "0", "-write_xing", "0"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tagged.mp3")
	if err := os.WriteFile(path, append(tag, plain...), 0o600); err != nil {
		t.Fatal(err)
	}
	return probe(t, path)
}

// TestContainers writes the same tags into each container with ffmpeg, and checks which
// of them an MP3 gets.
func TestContainers(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	written := []string{
		"title=Tïtel 漢字", "artist=Anna", "album=Al", "album_artist=AA", "comment=cmt", "lyrics=la la", "date=2021-06-07", "track=7/9", "disc=1/2",
		"genre=Jazz", "composer=Comp", "copyright=cop", "compilation=1", "publisher=pub", "bpm=120", "location=+48.2+016.3/", "make=Acme",
		"iTunSMPB= 00000000 00000840", "creation_time=2020-01-01T00:00:00Z",
	}
	full := []string{
		"TIT2=Tïtel 漢字", "TPE1=Anna", "TALB=Al", "TPE2=AA", "TRCK=7/9", "TPOS=1/2", "TDRC=2021-06-07", "TCON=Jazz", "TCOM=Comp", "TCMP=1", "TBPM=120",
		"TCOP=cop", "TPUB=pub", "COMM:XXX:=cmt", "USLT:XXX:=la la",
	}
	without := func(ids ...string) (rest []string) {
		for _, l := range full {
			keep := true
			for _, id := range ids {
				keep = keep && !strings.HasPrefix(l, id)
			}
			if keep {
				rest = append(rest, l)
			}
		}
		return rest
	}
	tests := []struct {
		name, demuxer string
		args          []string
		want          []string
	}{
		{"a.mp4", "mov", nil, without("TBPM", "TPUB")},
		{"b.mp4", "mov", []string{"-movflags", "use_metadata_tags"}, full},
		{"a.mov", "mov", []string{"-movflags", "use_metadata_tags"}, full},
		{"a.mka", "matroska", nil, full},
		{"a.webm", "matroska", nil, full},
		{"a.ogg", "ogg", nil, full},
		{"a.opus", "ogg", nil, full},
		{"a.flac", "flac", nil, full},
		{"a.wma", "asf", nil, full},
		{"a.flv", "flv", nil, full},
		{"a.caf", "caf", nil, full},
		{"a.wv", "wv", nil, full},   // APE tag
		{"a.tta", "tta", nil, full}, // APE tag
		{"a.wav", "wav", nil, without("TPE2", "TPOS", "TCOM", "TCMP", "TBPM", "TPUB", "USLT")},
		{"a.avi", "avi", nil, without("TALB", "TPE2", "TPOS", "TCOM", "TCMP", "TBPM", "TPUB", "USLT")},
		{"a.aiff", "aiff", []string{"-write_id3v2", "1"}, full},
		{"3.mp3", "mp3", []string{"-id3v2_version", "3"}, full},
		{"4.mp3", "mp3", []string{"-id3v2_version", "4"}, full},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, m := range written {
				args = append(args, "-metadata", m)
			}
			src := source(t, media(t, tt.name, append(args, tt.args...)...), tt.demuxer)
			tag, notes := build(src, false)
			if diff := cmp.Diff(tt.want, dump(t, tag)); diff != "" || len(notes) != 0 {
				t.Errorf("%s\nnotes %q", diff, notes)
			}
			got := mp3(t, tag).Format.Tags
			for name, want := range map[string]string{"title": "Tïtel 漢字", "artist": "Anna", "comment": "cmt", "genre": "Jazz"} {
				if got[name] != want {
					t.Errorf("ffprobe reads %s=%q", name, got[name])
				}
			}
			if all, _ := build(src, true); tt.demuxer == "matroska" && !bytes.Contains(all, []byte("+48.2")) || bytes.Contains(all, []byte("iTunSMPB")) {
				t.Error("with all tags, there is no location, or gapless data that does not apply")
			}
		})
	}
}

func TestFFprobeReadsTheResult(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := id3.Source{Cover: pngFile(t, true), Tags: []map[string]string{{"title": "Ünï", "lyrics": "la\nla ♫", "comment": "c"}}}
	for i := range 600 {
		src.Chapters = append(src.Chapters, id3.Chapter{Start: time.Duration(i) * time.Second, End: time.Duration(i+1) * time.Second, Title: "Kapitel Ä"})
	}
	tag, notes := build(src, false)
	got := mp3(t, tag)
	if len(notes) != 0 || got.Format.Tags["title"] != "Ünï" || got.Format.Tags["comment"] != "c" || got.Format.Tags["lyrics-XXX"] != "la\nla ♫" {
		t.Errorf("tags %q, notes %q", got.Format.Tags, notes)
	}
	if len(got.Chapters) != 600 || got.Chapters[599].Start != "599.000000" || got.Chapters[599].End != "600.000000" || got.Chapters[0].Tags["title"] != "Kapitel Ä" {
		t.Errorf("%d chapters", len(got.Chapters))
	}
	if len(got.Streams) != 2 || got.Streams[1].Codec != "png" || got.Streams[1].Tags["comment"] != "Cover (front)" {
		t.Errorf("streams %+v", got.Streams)
	}
}

// TestLatin1Report reads tags whose encoding the container does not name.
func TestLatin1Report(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"a.wav", "a.avi"} {
		path := media(t, name, "-metadata", "title=Gr..e", "-metadata", "artist=Anna Çelik")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Replace(raw, []byte("Gr..e"), []byte("Gr\xf6\xdfe"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		tag, _ := build(source(t, path, strings.TrimPrefix(filepath.Ext(name), ".")), false)
		if diff := cmp.Diff([]string{"TIT2=Größe", "TPE1=Anna Çelik"}, dump(t, tag)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestPicturesInContainers looks for the front cover among the streams of files.
func TestPicturesInContainers(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	front, back := filepath.Join(dir, "front.png"), filepath.Join(dir, "back.jpg")
	if err := os.WriteFile(front, pngFile(t, true), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(back, jpegFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	pictures := []string{"-i", back, "-i", front, "-map", "0:a", "-map", "1", "-map", "2", "-c:v", "copy", "-disposition:v", "attached_pic"}
	for name, args := range map[string][]string{
		"a.flac": append(pictures, "-metadata:s:v:0", "comment=Cover (back)", "-metadata:s:v:1", "comment=Cover (front)"),
		"a.mp3":  append(pictures, "-metadata:s:v:0", "comment=Cover (back)", "-metadata:s:v:1", "comment=Cover (front)"),
		"a.mka": {
			"-attach", back, "-metadata:s:1", "mimetype=image/jpeg", "-metadata:s:1", "filename=back.jpg",
			"-attach", front, "-metadata:s:2", "mimetype=image/png", "-metadata:s:2", "filename=cover.png",
		},
	} {
		r := probe(t, media(t, name, args...))
		var all []id3.Picture
		var codecs []string
		for _, s := range r.Streams {
			if s.Disposition.Picture == 1 {
				all, codecs = append(all, id3.DescribePicture(s.Tags)), append(codecs, s.Codec)
			}
		}
		if i := id3.Front(all); i < 0 || codecs[i] != "png" {
			t.Errorf("%s: picture %d of %+v", name, i, all)
		}
	}
}
