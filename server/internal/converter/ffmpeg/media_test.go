package ffmpeg_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// seconds is the duration of the test media.
const seconds = 3

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return out
}

// media creates a file of three seconds with ffmpeg: input 0 is a 440 Hz tone, 48 kHz
// mono; input 1 is a test picture. args follow the inputs.
func media(t *testing.T, name string, args ...string) string {
	t.Helper()
	return mediaFrom(t, "sine=frequency=440:sample_rate=48000:duration="+strconv.Itoa(seconds), name, args...)
}

func mediaFrom(t *testing.T, sound, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	line := []string{
		"-nostdin", "-v", "error", "-y",
		"-f", "lavfi", "-i", sound,
		"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=" + strconv.Itoa(seconds),
	}
	run(t, "ffmpeg", append(append(line, args...), path)...)
	return path
}

// video returns arguments for a picture and stereo audio.
func video(more ...string) []string {
	return append([]string{"-map", "1:v", "-map", "0:a", "-ac", "2"}, more...)
}

func transcoder(t *testing.T, change func(*ffmpeg.Config)) *ffmpeg.Transcoder {
	t.Helper()
	cfg := ffmpeg.Config{Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	tc, err := ffmpeg.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tc
}

// standard has the default limits. It is created once, because that runs two
// programs.
var standard = sync.OnceValues(func() (*ffmpeg.Transcoder, error) {
	return ffmpeg.New(context.Background(), ffmpeg.Config{Log: slog.New(slog.DiscardHandler)})
})

// converted is the result of a conversion to one MP3.
type converted struct {
	converter.Result

	Duration time.Duration
}

// convert converts the file with the default limits.
func convert(t *testing.T, path string, o sx.Options) (mp3 string, result converted, err error) {
	t.Helper()
	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	return convertWith(t.Context(), t, tc, path, o)
}

func convertWith(ctx context.Context, t *testing.T, tc *ffmpeg.Transcoder, path string, o sx.Options) (mp3 string, result converted, err error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	mp3 = filepath.Join(t.TempDir(), "out.mp3")
	result.Result, err = tc.Transcode(ctx, converter.Input{Video: f, Size: info.Size(), Options: o}, toFile(mp3))
	if len(result.Durations) == 1 {
		result.Duration = result.Durations[0]
	}
	return mp3, result, err
}

// toFile writes the MP3 to a file.
func toFile(path string) converter.Output {
	return converter.Output{Progress: func(converter.Progress) {}, Put: func(_ int, head store.Head, body io.Reader) error {
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		defer out.Close() //nolint:errcheck // a test reads it
		if _, err := out.Seek(int64(head.Size), io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(out, body); err != nil {
			return err
		}
		first, err := head.Read()
		if err == nil {
			_, err = out.WriteAt(first, 0)
		}
		return err
	}}
}

// discard reads the MP3 and stores nothing.
var discard = toFile(os.DevNull)

func mustConvert(t *testing.T, path string, o sx.Options) (mp3 string, result converted) {
	t.Helper()
	mp3, result, err := convert(t, path, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	return mp3, result
}

// causes returns the causes that are not in the message.
func causes(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

func wantCode(t *testing.T, err error, code sx.Code, message string) {
	t.Helper()
	var e *sx.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *sx.Error of code %s\n%s", err, code, causes(err))
	}
	if e.Code != code || !strings.Contains(e.Message, message) || e.Hint == "" {
		t.Errorf("got %s: %q (hint %q), want %s with %q\n%s", e.Code, e.Message, e.Hint, code, message, causes(err))
	}
}

// probed is ffprobe's report on a file.
type probed struct {
	Streams  []track `json:"streams"`
	Chapters []struct {
		Start string            `json:"start_time"`
		Tags  map[string]string `json:"tags"`
	} `json:"chapters"`
	Format struct {
		Tags map[string]string `json:"tags"`
	} `json:"format"`
}

type track struct {
	Codec    string `json:"codec_name"`
	Type     string `json:"codec_type"`
	Rate     string `json:"sample_rate"`
	Channels int    `json:"channels"`
	Bitrate  string `json:"bit_rate"`
	Is       struct {
		Cover int `json:"attached_pic"`
	} `json:"disposition"`
}

func (l probed) sound() track {
	return l.Streams[slices.IndexFunc(l.Streams, func(s track) bool { return s.Type == "audio" })]
}

func probe(t *testing.T, path string) probed {
	t.Helper()
	var l probed
	out := run(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters", "-of", "json", path)
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// decoded returns the duration of the decoded audio, counted in samples.
func decoded(t *testing.T, path string) time.Duration {
	t.Helper()
	l := probe(t, path)
	rate, err := strconv.Atoi(l.sound().Rate)
	if err != nil {
		t.Fatal(err)
	}
	pcm := run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a", "-ac", "1", "-f", "s16le", "pipe:1")
	return time.Duration(float64(len(pcm)/2) / float64(rate) * float64(time.Second))
}

// parseSeconds parses seconds as ffprobe formats them.
func parseSeconds(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func near(a, b, by time.Duration) bool { return (a - b).Abs() <= by }
