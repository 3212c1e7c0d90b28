package ffmpeg_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPermanentErrors(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	// cut keeps the given fraction of the file.
	cut := func(path string, share float64) string {
		data := read(t, path)
		return write(t, path, data[:int(float64(len(data))*share)])
	}
	for _, tt := range []struct {
		name    string
		path    func() string
		code    sx.Code
		message string
	}{
		{"no audio", func() string { return media(t, "in.mp4", "-map", "1:v") }, sx.CodeNoAudio, "no audio track"},
		{"cut faststart mp4", func() string {
			return cut(media(t, "in.mp4", video("-movflags", "+faststart")...), 0.5)
		}, sx.CodeTruncated, "of 3s of audio"},
		{"cut mp4 with the index at the end", func() string { return cut(media(t, "in.mp4", video()...), 0.6) }, sx.CodeTruncated, "moov"},
		{"cut mkv", func() string { return cut(media(t, "in.mkv", video()...), 0.5) }, sx.CodeTruncated, "of 3s of audio"},
		{"cut flv", func() string {
			return cut(media(t, "in.flv", video("-c:a", "aac", "-flvflags", "add_keyframe_index")...), 0.4)
		}, sx.CodeTruncated, "of 3"},
		{"cut flac", func() string { return cut(media(t, "in.flac", "-map", "0:a"), 0.4) }, sx.CodeTruncated, "of 3s"},
		{"garbage after an mp4 header", func() string {
			head := read(t, media(t, "in.mp4", video()...))[:40]
			return write(t, filepath.Join(t.TempDir(), "in.mp4"), append(head, bytes.Repeat([]byte("garbage "), 5000)...))
		}, sx.CodeTruncated, "moov"},
		{"garbage after an mkv header", func() string {
			head := read(t, media(t, "in.mkv", video()...))[:30]
			return write(t, filepath.Join(t.TempDir(), "in.mkv"), append(head, bytes.Repeat([]byte("garbage "), 5000)...))
		}, sx.CodeUnreadable, "starts like Matroska"},
		{"garbage after an ID3 tag", func() string {
			return write(t, filepath.Join(t.TempDir(), "in.mp3"), append([]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), make([]byte, 5000)...))
		}, sx.CodeUnreadable, "starts like MP3"},
		{"too many tracks", func() string {
			args := []string{"-t", "1", "-c:a", "pcm_s16le"}
			for range 70 {
				args = append(args, "-map", "0:a")
			}
			return media(t, "in.mkv", args...)
		}, sx.CodeUnreadable, "more than 64 tracks"},
		{"unsupported audio codec", func() string {
			return media(t, "in.wav", "-map", "0:a", "-c:a", "g723_1", "-ar", "8000", "-b:a", "6300")
		}, sx.CodeUnreadable, "g723_1 is not supported"},
		{"unknown audio codec", func() string {
			path := media(t, "in.mov", "-map", "0:a", "-c:a", "pcm_s16le")
			return write(t, path, bytes.ReplaceAll(read(t, path), []byte("sowt"), []byte("zzzz")))
		}, sx.CodeUnreadable, "the audio codec of this track is not supported"},
		{"text", func() string { return write(t, filepath.Join(t.TempDir(), "in.mp4"), []byte("hello, world\n")) }, sx.CodeNotMedia, "text"},
		{"zip", func() string { return write(t, filepath.Join(t.TempDir(), "in.mp4"), []byte("PK\x03\x04rest")) }, sx.CodeNotMedia, "ZIP"},
		{"empty", func() string { return write(t, filepath.Join(t.TempDir(), "in.mp4"), nil) }, sx.CodeNotMedia, "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := convert(t, tt.path(), sx.Options{})
			wantCode(t, err, tt.code, tt.message)
			if !sx.CodeOf(err).Permanent() {
				t.Errorf("%s is retried", sx.CodeOf(err))
			}
			if hint := sx.AsError(err).Hint; tt.message == "moov" && !strings.Contains(hint, "untrunc") {
				t.Errorf("the hint %q names no program that repairs the file", hint)
			}
		})
	}
}

// declareDuration creates an MP4 whose headers declare the given duration in
// seconds.
func declareDuration(t *testing.T, promised uint32) string {
	t.Helper()
	path := media(t, "in.mp4", video("-movflags", "+faststart", "-use_editlist", "0")...)
	data := read(t, path)
	for _, box := range []string{"mvhd", "mdhd"} { // version 0: timescale and duration at offsets 16 and 20 after the type
		for i := 0; ; {
			n := bytes.Index(data[i:], []byte(box))
			if n < 0 {
				break
			}
			i += n
			binary.BigEndian.PutUint32(data[i+20:], binary.BigEndian.Uint32(data[i+16:])*min(promised, 1<<31/binary.BigEndian.Uint32(data[i+16:])))
			i += 24
		}
	}
	return write(t, path, data)
}

// TestScriptsReachNothing checks that a script neither opens a connection nor
// reads another file, whatever its extension.
func TestScriptsReachNothing(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	// Clients of other tests may still try this port; only requests for the path count.
	path := "/" + rand.Text() + ".ts"
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			requests.Add(1)
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	url := server.URL + path
	neighbour := read(t, media(t, "neighbour.mp3", "-map", "0:a"))

	hls := "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + url + "\n#EXT-X-ENDLIST\n"
	for _, tt := range []struct {
		name, content string
		codes         []sx.Code
	}{
		{"HLS", hls, []sx.Code{sx.CodePlaylist}},
		{"HLS with a local segment", strings.ReplaceAll(hls, url, "neighbour.mp3"), []sx.Code{sx.CodePlaylist}},
		{"ffconcat", "ffconcat version 1.0\nfile neighbour.mp3\n", []sx.Code{sx.CodePlaylist}},
		{"DASH", `<?xml version="1.0"?><MPD><BaseURL>` + url + `</BaseURL></MPD>`, []sx.Code{sx.CodePlaylist}},
		{"HLS after an ID3 tag", "ID3\x04\x00\x00\x00\x00\x00\x00" + hls, []sx.Code{sx.CodeUnreadable}},
		{"ffconcat after an ID3 tag", "ID3\x04\x00\x00\x00\x00\x00\x00ffconcat version 1.0\nfile neighbour.mp3\n", []sx.Code{sx.CodeUnreadable}},
		{"HLS after an MP4 brand", "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp41" + hls, []sx.Code{sx.CodeTruncated, sx.CodeUnreadable}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "neighbour.mp3"), neighbour)
			path := write(t, filepath.Join(dir, "in.mp4"), []byte(tt.content))
			_, _, err := convert(t, path, sx.Options{})
			got := sx.CodeOf(err)
			for _, code := range tt.codes {
				if got == code {
					return
				}
			}
			t.Errorf("got %v (%s), want one of %v\n%s", err, got, tt.codes, causes(err))
		})
	}
	t.Cleanup(func() {
		if n := requests.Load(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
}

// TestDataReferenceIsNotFollowed covers an MP4 that names another file as the
// source of its data (a QuickTime data reference).
func TestDataReferenceIsNotFollowed(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mov", video()...)
	data := read(t, src)
	other := filepath.Join(t.TempDir(), "other.mov")
	if err := os.Link(src, other); err != nil {
		t.Fatal(err)
	}
	// Without the self-contained flag the audio is in another file.
	if n := bytes.Count(data, []byte("url \x00\x00\x00\x01")); n == 0 {
		t.Fatal("no data reference in the file")
	}
	data = bytes.ReplaceAll(data, []byte("url \x00\x00\x00\x01"), []byte("url \x00\x00\x00\x00"))
	path := write(t, filepath.Join(t.TempDir(), "in.mov"), data)
	if _, result, err := convert(t, path, sx.Options{}); err != nil || !near(result.Duration, seconds*time.Second, 150*time.Millisecond) {
		t.Errorf("got %s, %v, although the file contains its data", result.Duration, err)
	}
}

// TestWrongHeaders checks that a header with a wrong duration, too long or too
// short, does not truncate the audio.
func TestWrongHeaders(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	wav := media(t, "in.wav", "-map", "0:a", "-bitexact")
	data := read(t, wav)
	binary.LittleEndian.PutUint32(data[40:], 0xFFFF_FFF0)
	write(t, wav, data)
	tag := media(t, "in.mkv", "-map", "0:a", "-metadata:s:a:0", "DURATION=27:00:00.000000000")
	write(t, tag, bytes.ReplaceAll(read(t, tag), []byte("00:00:03."), []byte("27:00:00.")))
	for name, path := range map[string]string{
		"MKV tag that declares 27 h":    tag,
		"WAV that declares 4 GiB":       wav,
		"MP4 that declares a day":       declareDuration(t, 100_000),
		"MP4 that declares no duration": declareDuration(t, 0),
	} {
		if _, result, err := convert(t, path, sx.Options{}); err != nil || !near(result.Duration, seconds*time.Second, 150*time.Millisecond) {
			t.Errorf("%s: got %s, %v\n%s", name, result.Duration, err, causes(err))
		}
	}
}
