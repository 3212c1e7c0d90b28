package audioonly_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestJoined checks that files that are joined give the same MP3 and warnings, whether they
// are sent as a whole or as audio alone.
func TestJoined(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	clip := func(name string, args ...string) []byte {
		path := makeMedia(t, name, append([]string{"-map", "1:v", "-map", "0:a"}, args...)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	half := func(b []byte, unit int) [][]byte {
		at := len(b) / 2 / unit * unit
		return [][]byte{b[:at], b[at:]}
	}
	long := tsClip(t, "in.ts", "-map", "1:v", "-map", "0:a", "-c:v", "mpeg2video", "-b:v", "2M", "-c:a", "ac3")
	m2ts := tsClip(t, "in.m2ts", "-map", "1:v", "-map", "0:a", "-c:v", "mpeg2video", "-b:v", "2M", "-c:a", "mp2", "-mpegts_m2ts_mode", "1")
	mp4, late := clip("in.mp4", "-c:a", "aac"), clip("in.mp4", "-c:a", "aac", "-af", "asetpts=PTS+0.3/TB")
	for _, tt := range []struct {
		name  string
		files [][]byte
	}{
		{"transport stream", half(long, 188)},
		{"transport stream with times", half(m2ts, 192)},
		{"other transport streams", [][]byte{half(long, 188)[1], half(m2ts, 192)[0]}},
		{"mp4", [][]byte{mp4, mp4, late}},
		{"truncated mp4", [][]byte{mp4, clip("faststart.mp4", "-movflags", "+faststart")[:len(mp4)*9/10], late}},
		{"mixed", [][]byte{late, clip("in.mkv"), half(long, 188)[0], mp4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var results [2]converted
			for i := range results {
				var all []byte
				var files []converter.File
				smaller := false
				for n, content := range tt.files {
					sent := content
					audio, err := audioonly.Open(bytes.NewReader(content), int64(len(content)), audioonly.Options{})
					if _, whole := errors.AsType[*audioonly.WholeFileError](err); err != nil && !whole {
						t.Fatal(err)
					}
					if i == 1 && err == nil {
						if sent, err = io.ReadAll(io.NewSectionReader(audio, 0, audio.Size())); err != nil {
							t.Fatal(err)
						}
						smaller = true
					}
					files = append(files, converter.File{Name: fmt.Sprint("file ", n), Size: int64(len(sent))})
					all = append(all, sent...)
				}
				if i == 1 && !smaller {
					t.Error("no audio was taken out")
				}
				results[i] = convert(t, io.NewSectionReader(bytes.NewReader(all), 0, int64(len(all))), sx.Options{}, files)
			}
			if diff := cmp.Diff(results[0].outcome, results[1].outcome); diff != "" {
				t.Errorf("whole files (-), audio alone (+):\n%s", diff)
			}
			if !bytes.Equal(results[0].mp3, results[1].mp3) || len(results[0].mp3) == 0 {
				t.Errorf("MP3s of %d and %d bytes", len(results[0].mp3), len(results[1].mp3))
			}
			if keep := os.Getenv("SX_TEST_KEEP"); t.Failed() && keep != "" {
				for i, r := range results {
					_ = os.WriteFile(filepath.Join(keep, fmt.Sprint(i, ".mp3")), r.mp3, 0o600)
				}
			}
		})
	}
}
