package sniff_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// encode makes one second of sound with ffmpeg and returns the file's bytes.
func encode(t *testing.T, ext string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "media."+ext)
	line := []string{
		"-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=1",
		"-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=1",
	}
	line = append(append(line, args...), "-map", "0:a", out)
	if msg, err := exec.CommandContext(t.Context(), "ffmpeg", line...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, msg)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRealFiles(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	video := []string{"-map", "1:v"}
	for _, tt := range []struct {
		ext  string
		args []string
		want string
	}{
		{"mp4", video, "mov"},
		{"mp4", []string{"-map", "1:v", "-movflags", "+faststart"}, "mov"},
		{"mp4", []string{"-map", "1:v", "-movflags", "frag_keyframe+empty_moov"}, "mov"},
		{"mov", video, "mov"},
		{"m4a", nil, "mov"},
		{"3gp", []string{"-c:a", "aac"}, "mov"},
		{"mkv", video, "matroska"},
		{"webm", []string{"-map", "1:v", "-c:v", "libvpx", "-c:a", "libopus"}, "matroska"},
		{"ts", video, "mpegts"},
		{"m2ts", video, "mpegts"},
		{"avi", video, "avi"},
		{"flv", []string{"-map", "1:v", "-ar", "44100"}, "flv"},
		{"wmv", video, "asf"},
		{"mpg", video, "mpeg"},
		{"vob", video, "mpeg"},
		{"mxf", []string{"-map", "1:v", "-c:v", "mpeg2video", "-ar", "48000"}, "mxf"},
		{"mp3", nil, "mp3"},
		{"mp3", []string{"-id3v2_version", "0", "-write_xing", "0"}, "mp3"},
		{"mp3", []string{"-b:a", "320k"}, "mp3"},
		{"mp3", []string{"-ar", "8000", "-b:a", "8k"}, "mp3"},
		{"mp2", nil, "mp3"},
		{"aac", nil, "aac"},
		{"ac3", nil, "ac3"},
		{"ac3", []string{"-ar", "44100", "-b:a", "448k"}, "ac3"},
		{"eac3", nil, "eac3"},
		{"dts", []string{"-strict", "-2", "-ac", "2"}, "dts"},
		{"ogg", []string{"-c:a", "libvorbis"}, "ogg"},
		{"opus", nil, "ogg"},
		{"flac", nil, "flac"},
		{"wav", nil, "wav"},
		{"wav", []string{"-rf64", "always"}, "wav"},
		{"w64", nil, "w64"},
		{"aiff", nil, "aiff"},
		{"caf", nil, "caf"},
		{"wv", nil, "wv"},
		{"tta", nil, "tta"},
		{"au", nil, "au"},
		{"rm", []string{"-c:a", "ac3"}, "rm"},
	} {
		t.Run(tt.want+"/"+tt.ext+strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			data := encode(t, tt.ext, tt.args...)
			f, err := sniff.Sniff(data)
			if err != nil {
				t.Fatalf("first bytes % x: %v", data[:min(16, len(data))], err)
			}
			if f.Demuxer != tt.want || f.Name == "" {
				t.Errorf("got %+v, want demuxer %s", f, tt.want)
			}
			if f, err := sniff.Read(bytes.NewReader(data)); err != nil || f.Demuxer != tt.want {
				t.Errorf("Read: got %+v, %v", f, err)
			}
		})
	}
}

func TestPartialBroadcasts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for ext, want := range map[string]string{"mp3": "mp3", "aac": "aac", "ts": "mpegts", "m2ts": "mpegts"} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			data := encode(t, ext)
			if f, err := sniff.Sniff(data[len(data)/3:]); err != nil || f.Demuxer != want {
				t.Errorf("got %+v, %v", f, err)
			}
		})
	}
}

// id3 is an ID3v2.4 tag of n bytes in front of rest.
func id3(n int, rest []byte) []byte {
	tag := make([]byte, n, n+len(rest))
	size := n - 10
	copy(tag, []byte{'I', 'D', '3', 4, 0, 0, byte(size >> 21 & 127), byte(size >> 14 & 127), byte(size >> 7 & 127), byte(size & 127)})
	return append(tag, rest...)
}

func TestID3Tag(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for ext, want := range map[string]string{"flac": "flac", "aac": "aac", "mp3": "mp3"} {
		data := encode(t, ext)
		short, long := id3(200, data), id3(90_000, data)
		if f, err := sniff.Sniff(short); err != nil || f.Demuxer != want {
			t.Errorf("%s after a short tag: got %+v, %v", ext, f, err)
		}
		// From the first bytes alone, Sniff can only assume an MP3.
		if f, err := sniff.Sniff(long); err != nil || f.Demuxer != "mp3" {
			t.Errorf("%s after a long tag, first bytes: got %+v, %v", ext, f, err)
		}
		if f, err := sniff.Read(bytes.NewReader(long)); err != nil || f.Demuxer != want {
			t.Errorf("%s after a long tag: got %+v, %v", ext, f, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, head string
		code       sx.Code
		message    string // part of it
	}{
		{"HLS", "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nhttp://127.0.0.1/a.ts\n", sx.CodePlaylist, "HLS"},
		{"HLS after a byte order mark", "\xEF\xBB\xBF \n#EXTM3U\n", sx.CodePlaylist, "HLS"},
		{"ffconcat", "ffconcat version 1.0\nfile neighbour.mp3\n", sx.CodePlaylist, "ffconcat"},
		{"concat list", "file 'neighbour.mp3'\n", sx.CodePlaylist, "ffconcat"},
		{"DASH", `<?xml version="1.0"?><!-- made by x --><MPD xmlns="urn:mpeg:dash">`, sx.CodePlaylist, "DASH"},
		{"DASH without declaration", "<MPD>", sx.CodePlaylist, "DASH"},
		{"SMIL", `<?xml version="1.0"?><!DOCTYPE smil PUBLIC "x"><smil>`, sx.CodePlaylist, "SMIL"},
		{"PLS", "[playlist]\nFile1=http://x\n", sx.CodePlaylist, "PLS"},
		{"ASX", "<ASX version=\"3.0\">", sx.CodePlaylist, "ASX"},
		{"SDP", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", sx.CodePlaylist, "SDP"},
		{"plain M3U", "http://example.org/a.mp3\n", sx.CodePlaylist, "addresses"},
		{"empty", "", sx.CodeNotMedia, "empty"},
		{"ZIP", "PK\x03\x04\x14\x00", sx.CodeNotMedia, "ZIP"},
		{"PDF", "%PDF-1.7\n", sx.CodeNotMedia, "PDF"},
		{"PNG", "\x89PNG\r\n\x1A\n\x00\x00\x00\x0DIHDR", sx.CodeNotMedia, "PNG"},
		{"JPEG", "\xFF\xD8\xFF\xE0\x00\x10JFIF", sx.CodeNotMedia, "JPEG"},
		{"WebP", "RIFF\x24\x00\x00\x00WEBPVP8 ", sx.CodeNotMedia, "WebP"},
		{"HEIC", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", sx.CodeNotMedia, "HEIF"},
		{"HTML", "<!DOCTYPE html><html><body>Sign in</body></html>", sx.CodeNotMedia, "web page"},
		{"XML", `<?xml version="1.0"?><note/>`, sx.CodeNotMedia, "XML"},
		{"executable", "\x7FELF\x02\x01\x01", sx.CodeNotMedia, "executable"},
		{"text", "Dear diary, today I\n", sx.CodeNotMedia, "text"},
		{"text with a box's name", "The free lunch is over.", sx.CodeNotMedia, "text"},
		{"UTF-16 text", "\xFF\xFEH\x00e\x00l\x00l\x00o\x00", sx.CodeNotMedia, "text"},
		{"text cut inside a character", strings.Repeat("x", sniff.Len-1) + "é", sx.CodeNotMedia, "text"},
		{"zeros", strings.Repeat("\x00", sniff.Len), sx.CodeNotMedia, "unfinished download"},
		{"bare H.264", "\x00\x00\x00\x01\x67\x64", sx.CodeNotMedia, "without audio"},
		{"noise", "\x01\x02\x03\x04\x80\x90\xA0\xB0", sx.CodeNotMedia, "not a video or audio file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := sniff.Sniff([]byte(tt.head))
			var e *sx.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *sx.Error", err)
			}
			if e.Code != tt.code || !strings.Contains(e.Message, tt.message) || e.Hint == "" {
				t.Errorf("got %s: %q (%q), want %s with %q", e.Code, e.Message, e.Hint, tt.code, tt.message)
			}
		})
	}
}

func TestReadWrapsSourceError(t *testing.T) {
	t.Parallel()
	if _, err := sniff.Read(brokenDisk{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

type brokenDisk struct{}

func (brokenDisk) Read([]byte) (int, error)       { return 0, os.ErrDeadlineExceeded }
func (brokenDisk) Seek(int64, int) (int64, error) { return 0, nil }

func FuzzSniff(f *testing.F) {
	for _, seed := range []string{
		"", "ID3\x04\x00\x00\x00\x00\x00\x00", "RIFF\x00\x00\x00\x00WAVE", "\xFF\xFB\x90\x64",
		"\xFF\xF1\x50\x80\x02\x1F\xFC", "\x0B\x77\x00\x00\x00\x40", "\x1A\x45\xDF\xA3", "#EXTM3U",
		"\x00\x00\x00\x18ftypisom", strings.Repeat("G"+strings.Repeat("\x00", 187), 8), "<?xml?><MPD",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		format, err := sniff.Sniff(head)
		if err == nil {
			if format.Name == "" || format.Demuxer == "" {
				t.Errorf("a format without a name: %+v", format)
			}
			return
		}
		if code := sx.CodeOf(err); code != sx.CodePlaylist && code != sx.CodeNotMedia {
			t.Errorf("code %s", code)
		}
	})
}
