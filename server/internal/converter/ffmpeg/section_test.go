package ffmpeg_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/sound"
)

// TestSection converts parts of a recording, and compares them with one pass over the same
// part of its PCM.
func TestSection(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const rate = 48000
	src := mediaFrom(t, "anoisesrc=color=pink:seed=2:duration=20:amplitude=0.2:sample_rate=48000", "in.mkv", "-map", "0:a", "-ac", "2", "-c:a", "flac")
	raw := run(t, "ffmpeg", "-v", "error", "-i", src, "-map", "0:a", "-f", "f32le", "pipe:1")
	for _, tt := range []struct{ start, end float64 }{
		{0, 4}, {5, 0}, {2.5, 7.125}, {19.9, 0}, {3, 1000}, {0.001, 0.1}, {0, 20},
	} {
		t.Run(fmt.Sprint(tt.start, " ", tt.end), func(t *testing.T) {
			t.Parallel()
			got, result := mustConvert(t, src, sx.Options{Start: tt.start, End: tt.end, Preset: sx.PresetSmall})
			end := 20.0
			if tt.end > 0 {
				end = min(end, tt.end)
			}
			pcm := filepath.Join(t.TempDir(), "pcm")
			if err := os.WriteFile(pcm, raw[8*int(math.Round(tt.start*rate)):8*int(math.Round(end*rate))], 0o600); err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(t.TempDir(), "want.mp3")
			run(t, "ffmpeg", "-v", "error", "-f", "f32le", "-ar", "48000", "-ac", "2", "-i", pcm, "-id3v2_version", "0", "-c:a", "libmp3lame", "-b:a", "128k", want)
			if !bytes.Equal(withoutTag(read(t, got)), read(t, want)) {
				t.Error("the bytes differ")
			}
			if want := time.Duration((end - tt.start) * float64(time.Second)); !near(result.Duration, want, time.Millisecond) {
				t.Errorf("the duration is %v, want %v", result.Duration, want)
			}
			if len(result.Warnings) > 0 {
				t.Errorf("warnings: %v", result.Warnings)
			}
		})
	}
	t.Run("after the end", func(t *testing.T) {
		t.Parallel()
		_, _, err := convert(t, src, sx.Options{Start: 30})
		wantCode(t, err, sx.CodeNoAudio, "ends at 20s, before the start at 30s")
	})
}

// TestSectionOfMono converts to mono that follows the signal, whose weights do not depend
// on where the part begins.
func TestSectionOfMono(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := mediaFrom(t, "sine=frequency=440:sample_rate=48000:duration=12", "in.wav", "-map", "0:a", "-af", "pan=stereo|c0=c0|c1=-1*c0")
	samples, result := heard(t, src, sx.Options{Start: 4, End: 10, Mono: true}, 6)
	for i, v := range samples {
		wantLevel(t, fmt.Sprint("second ", i), v, 0.125)
	}
	if !near(result.Duration, 6*time.Second, time.Millisecond) {
		t.Errorf("the duration is %v, want 6 s", result.Duration)
	}
}

// TestSectionOfMP3 checks that a section is not copied, because it may begin and
// end within frames.
func TestSectionOfMP3(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := mediaFrom(t, "sine=frequency=440:sample_rate=48000:duration=10", "in.mp3", "-map", "0:a", "-b:a", "128k")
	if _, result := mustConvert(t, src, sx.Options{Start: 1.25, End: 3.5}); !near(result.Duration, 2250*time.Millisecond, time.Millisecond) {
		t.Errorf("the duration is %v, want 2.25 s", result.Duration)
	}
}

func TestSectionOfATruncatedFile(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	whole := mediaFrom(t, "anoisesrc=duration=20:sample_rate=48000", "in.mp4", "-map", "0:a", "-c:a", "aac", "-movflags", "+faststart")
	data := read(t, whole)
	src := write(t, filepath.Join(t.TempDir(), "cut.mp4"), data[:len(data)*3/4])
	if _, result := mustConvert(t, src, sx.Options{End: 5}); len(result.Warnings) > 0 {
		t.Errorf("what is missing comes after the part, but there are warnings: %v", result.Warnings)
	}
	_, result := mustConvert(t, src, sx.Options{Start: 5})
	wantWarnings(t, result.Warnings, sx.WarningTruncated)
	_, _, err := convert(t, src, sx.Options{Start: 18}) // what is missing
	wantCode(t, err, sx.CodeTruncated, "of 20s of audio, and ends before the start at 18s")
	_, _, err = convert(t, src, sx.Options{Start: 30}) // what even the whole file would not have
	wantCode(t, err, sx.CodeNoAudio, "before the start at 30s")
}

func TestSectionChapters(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	meta := filepath.Join(t.TempDir(), "meta.txt")
	text := ";FFMETADATA1\n"
	for i := range 4 {
		text += fmt.Sprintf("[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=part %d\n", 3000*i, 3000*(i+1), i+1)
	}
	write(t, meta, []byte(text))
	src := mediaFrom(t, "sine=sample_rate=48000:duration=12", "in.mkv", "-i", meta, "-map", "0:a", "-map_chapters", "2", "-c:a", "flac")
	got, _ := mustConvert(t, src, sx.Options{Start: 4, End: 8})
	out := string(run(t, "ffprobe", "-v", "error", "-show_entries", "chapter=start_time,end_time:chapter_tags=title", "-of", "compact=p=0:nk=1", got))
	if want := "0.000000|2.000000|part 2\n2.000000|4.000000|part 3\n"; out != want {
		t.Errorf("chapters:\n%swant\n%s", out, want)
	}
}

// TestLoudness measures the decoded MP3s with ffmpeg, which is an independent
// meter.
func TestLoudness(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const rate, seconds = 48000, 15
	for _, signal := range sound.Signals() {
		raw := filepath.Join(t.TempDir(), "raw")
		write(t, raw, signal.PCM(rate, 2, seconds*rate))
		src := filepath.Join(t.TempDir(), "in.mka")
		run(t, "ffmpeg", "-v", "error", "-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", "2", "-i", raw, "-filter:a", "volume=0.2", "-c:a", "flac", src)
		for _, o := range []struct {
			options sx.Options
			want    float64
		}{
			{sx.Options{Loudness: "auto"}, -16},
			{sx.Options{Loudness: "auto", Preset: sx.PresetSpeech}, -19},
			{sx.Options{Loudness: "-23", Preset: sx.PresetSmall}, -23},
			{sx.Options{Loudness: "-14", Preset: sx.PresetHigh}, -14},
		} {
			t.Run(fmt.Sprint(signal.Name, " ", o.options.Loudness, " ", o.options.Preset), func(t *testing.T) {
				t.Parallel()
				got, _ := mustConvert(t, src, o.options)
				integrated, peak := ebur128(t, got)
				t.Logf("%.1f LUFS, %.1f dBTP", integrated, peak)
				if signal.Name == "silence" {
					if integrated > -69 {
						t.Errorf("%.1f LUFS, want silence", integrated)
					}
					return
				}
				if peak > -1 {
					t.Errorf("true peak %.1f dBTP, want at most -1", peak)
				}
				// A click has no loudness that a limiter can keep.
				if signal.Name != "clicks" && math.Abs(integrated-o.want) > 0.5 {
					t.Errorf("%.1f LUFS, want %g", integrated, o.want)
				}
			})
		}
	}
}

func ebur128(t *testing.T, path string) (integrated, peak float64) {
	t.Helper()
	out := run(t, "sh", "-c", `ffmpeg -nostdin -hide_banner -i "$1" -filter:a ebur128=peak=true:framelog=verbose -f null - 2>&1`, "sh", path)
	number := func(pattern string) float64 {
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", pattern, out)
		}
		if string(m[1]) == "-inf" {
			return math.Inf(-1)
		}
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return number(`I: +(-?[0-9.]+) LUFS`), number(`Peak: +(-?[0-9.]+|-inf) dBFS`)
}

// TestLoudnessOfSection measures only the part that is converted, and its progress grows.
func TestLoudnessOfSection(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := mediaFrom(t, "sine=frequency=1000:sample_rate=48000:duration=30", "in.wav", "-map", "0:a", "-ac", "2", "-filter:a", "volume='if(lt(t,10),8,0.2)':eval=frame")
	tc := transcoder(t, nil)
	f, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.mp3")
	output := toFile(out)
	last := 0.0
	output.Progress = func(p converter.Progress) {
		if p.Percent < last || p.Percent > 100 {
			t.Errorf("progress %g after %g", p.Percent, last)
		}
		last = p.Percent
	}
	input := converter.Input{Video: f, Size: stat.Size(), Owner: "a", Options: sx.Options{Start: 12, End: 28, Loudness: "-20"}}
	if _, err := tc.Transcode(t.Context(), input, output); err != nil {
		t.Fatal(err)
	}
	if integrated, _ := ebur128(t, out); math.Abs(integrated+20) > 0.3 {
		t.Errorf("%.1f LUFS, want -20", integrated)
	}
	if last < 90 {
		t.Errorf("the last progress is %g", last)
	}
}
