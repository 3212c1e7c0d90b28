package converter_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestOnlyTheAudioIsRead compares how much of stored videos is converted, and the MP3s with
// those of the whole videos.
func TestOnlyTheAudioIsRead(t *testing.T) {
	testkit.Need(t, "ffmpeg")
	t.Parallel()
	f := newFixture(t)
	cfg := f.config(nil)
	transcoder, err := ffmpeg.New(t.Context(), ffmpeg.Config{Log: cfg.Log})
	if err != nil {
		t.Fatal(err)
	}
	sizes := make(chan int64, 1)
	cfg.Transcoder = transcoderFunc(func(ctx context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
		sizes <- in.Size
		return transcoder.Transcode(ctx, in, out)
	})
	f.start(cfg)
	for name, tt := range map[string]struct {
		args      []string
		onlyAudio bool
	}{
		"talk.mp4":      {nil, true},
		"first.mp4":     {[]string{"-movflags", "+faststart"}, true},
		"talk.mov":      {[]string{"-c:a", "pcm_s16le"}, true},
		"fragments.mp4": {[]string{"-movflags", "+frag_keyframe"}, false},
		"talk.mkv":      {nil, false},
		"audio.m4a":     {[]string{"-vn"}, false},
	} {
		path := filepath.Join(t.TempDir(), name)
		args := append([]string{
			"-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=5:rate=20:size=640x480", "-f", "lavfi", "-i", "sine=duration=5",
			"-c:v", "mjpeg", "-q:v", "1",
		}, tt.args...)
		if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		video, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		j := f.waitForState(f.queue(video).ID, sx.StateDone)
		if size, whole := <-sizes, int64(len(video)); tt.onlyAudio != (size < whole*4/5) || !tt.onlyAudio && size != whole {
			t.Errorf("%s: %d of %d bytes were converted", name, size, whole)
		}
		if want := mp3Of(t, transcoder, video); !bytes.Equal(f.trackOf(j), want) {
			t.Errorf("%s: the MP3 differs from that of the whole video", name)
		}
		if !tt.onlyAudio {
			continue
		}
		// What a client sends of it is converted as it is.
		audio, err := audioonly.Open(bytes.NewReader(video), int64(len(video)), audioonly.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(io.NewSectionReader(audio, 0, audio.Size()))
		if err != nil {
			t.Fatal(err)
		}
		f.waitForState(f.queue(sent).ID, sx.StateDone)
		if size := <-sizes; size != audio.Size() {
			t.Errorf("%s: %d of %d bytes were converted of what was sent", name, size, audio.Size())
		}
	}
}

// mp3Of returns the MP3 of a video.
func mp3Of(t *testing.T, tc converter.Transcoder, video []byte) []byte {
	t.Helper()
	var mp3 []byte
	_, err := tc.Transcode(t.Context(), converter.Input{Video: bytes.NewReader(video), Size: int64(len(video))}, converter.Output{
		Progress: func(converter.Progress) {},
		Put: func(_ int, head store.Head, body io.Reader) error {
			frames, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			begin, err := head.Bytes()
			mp3 = slices.Concat(begin, frames)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return mp3
}

// trackOf returns the MP3 of a job.
func (f *fixture) trackOf(j sx.Job) []byte {
	f.t.Helper()
	blob, err := f.store.Tracks.Open(f.t.Context(), j.Track(1).ID)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	b, err := io.ReadAll(blob)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}
