package ffmpeg_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// tagOf returns the MP3's own tag: the values by frame and description.
func tagOf(t *testing.T, mp3 string) (values map[string][]string, cover []byte) {
	t.Helper()
	b := read(t, mp3)
	tag, err := id3.Read(bytes.NewReader(b), int64(len(b)), "mp3")
	if err != nil {
		t.Fatal(err)
	}
	values = map[string][]string{}
	for _, f := range tag.Frames {
		values[f.ID+f.Description] = f.Values
	}
	return values, tag.Front()
}

// tagged puts a tag in front of an MP3 of three seconds, and other bytes behind it.
func tagged(t *testing.T, src id3.Source, behind []byte) string {
	t.Helper()
	path := media(t, "in.mp3", "-id3v2_version", "0")
	tag, _ := id3.Build(src, true)
	if err := os.WriteFile(path, slices.Concat(tag, read(t, path), behind), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTagsThatAreKept(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	own := id3.Tag{Frames: []id3.Frame{
		{ID: "TPE1", Values: []string{"Anna", "Bob", "Çelik"}},
		{ID: "COMM", Language: "eng", Values: []string{"my comment"}},
		{ID: "USLT", Language: "eng", Values: []string{"la la ♫"}},
		{ID: "TCMP", Values: []string{"1"}},
		{ID: "WOAS", Values: []string{"https://example.org/x"}},
		{ID: "TXXX", Description: "location", Values: []string{"+48.2+016.3/"}},
	}}
	ownValues := map[string][]string{
		"TPE1": {"Anna", "Bob", "Çelik"}, "COMM": {"my comment"}, "USLT": {"la la ♫"}, "TCMP": {"1"}, "WOAS": {"https://example.org/x"},
	}
	version1 := append([]byte("TAGGr\xF6\xDFe"), make([]byte, 128-8)...)
	version1[127] = 255

	riff := media(t, "in.wav", "-metadata", "title=Gr..e", "-metadata", "comment=c")
	if err := os.WriteFile(riff, bytes.Replace(read(t, riff), []byte("Gr..e"), []byte("Gr\xF6\xDFe"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	recorded := media(t, "in.mov", "-movflags", "use_metadata_tags", "-metadata", "location=+48.2+016.3/", "-metadata", "comment=a comment",
		"-metadata", "lyrics=la la", "-metadata", "iTunSMPB= 00000000 00000840 000001C0 000000000005DC00", "-metadata", "model=Phone")

	tests := []struct {
		name    string
		path    string
		options sx.Options
		want    map[string][]string
	}{
		{"QuickTime", recorded, sx.Options{}, map[string][]string{"COMM": {"a comment"}, "USLT": {"la la"}}},
		{"ID3v2.4, copied", tagged(t, id3.Source{Demuxer: "mp3", Own: own}, nil), sx.Options{}, ownValues},
		{"ID3v2.4, encoded", tagged(t, id3.Source{Demuxer: "mp3", Own: own}, nil), sx.Options{Bitrate: 64}, ownValues},
		{"ID3v1", tagged(t, id3.Source{}, version1), sx.Options{Mono: true}, map[string][]string{"TIT2": {"Größe"}}},
		{"RIFF INFO", riff, sx.Options{}, map[string][]string{"TIT2": {"Größe"}, "COMM": {"c"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mp3, result := mustConvert(t, tt.path, tt.options)
			got, _ := tagOf(t, mp3)
			if diff := cmp.Diff(tt.want, got); diff != "" || len(result.Warnings) != 0 {
				t.Errorf("%s\nwarnings %v", diff, result.Warnings)
			}
		})
	}
	t.Run("all tags", func(t *testing.T) {
		t.Parallel()
		mp3, _ := mustConvert(t, recorded, sx.Options{KeepAllTags: true})
		got, _ := tagOf(t, mp3)
		if len(got["TXXXlocation"]) != 1 || len(got["TXXXmodel"]) != 1 || bytes.Contains(read(t, mp3), []byte("iTunSMPB")) {
			t.Errorf("got %q", got)
		}
	})
}

func TestCovers(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	picture := func(name, color string) string {
		path := filepath.Join(dir, name)
		run(t, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color="+color+":size=64x64", "-frames:v", "1", path)
		return path
	}
	webp, bmp, png, back := picture("cover.webp", "red"), picture("cover.bmp", "red"), picture("cover.png", "red"), picture("back.jpg", "blue")
	streams := func(first, second string) []string {
		return []string{
			"-i", first, "-i", second, "-map", "0:a", "-map", "2:v", "-map", "3:v", "-c:v", "copy", "-disposition:v", "attached_pic",
			"-metadata:s:v:0", "comment=Cover (back)", "-metadata:s:v:1", "comment=Cover (front)",
		}
	}
	attached := func(front, mime string) []string {
		return []string{
			"-map", "0:a", "-attach", back, "-metadata:s:1", "mimetype=image/jpeg", "-metadata:s:1", "filename=back.jpg",
			"-attach", front, "-metadata:s:2", "mimetype=" + mime, "-metadata:s:2", "filename=" + filepath.Base(front),
		}
	}
	same, converted := read(t, png), []byte("\xFF\xD8\xFF")
	tests := []struct {
		name string
		path string
		want []byte // a prefix
	}{
		{"FLAC", media(t, "a.flac", streams(back, png)...), same},
		{"MP3", media(t, "a.mp3", streams(back, png)...), same},
		{"Matroska", media(t, "a.mka", attached(png, "image/png")...), same},
		{"WebP in Matroska", media(t, "b.mka", attached(webp, "image/webp")...), converted},
		{"WebP in MP3", webpInMP3(t, read(t, webp)), converted},
		{"BMP in MP4", media(t, "a.m4a", "-i", bmp, "-map", "0:a", "-map", "2:v", "-c:v", "copy", "-disposition:v:0", "attached_pic"), converted},
		{"only the back", media(t, "b.flac", append(streams(back, back), "-metadata:s:v:1", "comment=Cover (back)")...), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mp3, result := mustConvert(t, tt.path, sx.Options{Mono: true})
			_, got := tagOf(t, mp3)
			if !bytes.HasPrefix(got, tt.want) || (got == nil) != (tt.want == nil) || len(result.Warnings) != 0 {
				t.Errorf("cover of %d bytes %.10q, warnings %v", len(got), got, result.Warnings)
			}
			if tt.want != nil && len(probe(t, mp3).Streams) != 2 {
				t.Error("ffprobe finds no picture")
			}
		})
	}
}

// webpInMP3 puts a front cover in WebP into an MP3's tag.
func webpInMP3(t *testing.T, webp []byte) string {
	t.Helper()
	body := append([]byte("\x00image/webp\x00\x03\x00"), webp...)
	size := func(n int) []byte { return []byte{0, 0, byte(n >> 7), byte(n & 127)} }
	frame := slices.Concat([]byte("APIC"), size(len(body)), []byte{0, 0}, body)
	path := media(t, "in.mp3", "-id3v2_version", "0")
	if err := os.WriteFile(path, slices.Concat([]byte("ID3\x04\x00\x00"), size(len(frame)), frame, read(t, path)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
