package ffmpeg_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// joinedInput is the input for files that are joined.
func joinedInput(t *testing.T, o sx.Options, paths ...string) converter.Input {
	t.Helper()
	in := converter.Input{Options: o}
	var all []byte
	for _, path := range paths {
		content := read(t, path)
		in.Files = append(in.Files, converter.File{Name: filepath.Base(path), Size: int64(len(content))})
		all = append(all, content...)
	}
	in.Video, in.Size = bytes.NewReader(all), int64(len(all))
	return in
}

// joinWith converts files that are joined.
func joinWith(ctx context.Context, t *testing.T, tc *ffmpeg.Transcoder, o sx.Options, paths ...string) (mp3 string, result converted, err error) {
	t.Helper()
	mp3 = filepath.Join(t.TempDir(), "out.mp3")
	result.Result, err = tc.Transcode(ctx, joinedInput(t, o, paths...), toFile(mp3))
	if len(result.Durations) == 1 {
		result.Duration = result.Durations[0]
	}
	return mp3, result, err
}

func joined(t *testing.T, o sx.Options, paths ...string) (mp3 string, result converted, err error) {
	t.Helper()
	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	return joinWith(t.Context(), t, tc, o, paths...)
}

func mustJoin(t *testing.T, o sx.Options, paths ...string) (mp3 string, result converted) {
	t.Helper()
	mp3, result, err := joined(t, o, paths...)
	if err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	return mp3, result
}

// noise is a sound in which each sample that is missing, doubled or faded is noticed.
func noise(seconds int) string {
	return fmt.Sprintf("anoisesrc=color=pink:seed=3:duration=%d:amplitude=0.2:sample_rate=48000", seconds)
}

// cutPackets divides the audio of a file into files of some seconds, without encoding it
// again, and gives each a picture of another length, as recorders do.
func cutPackets(t *testing.T, path, extension string, seconds float64) (pieces []string) {
	t.Helper()
	dir := t.TempDir()
	run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "segment", "-segment_time", fmt.Sprint(seconds),
		"-reset_timestamps", "1", filepath.Join(dir, "%d"+filepath.Ext(path)))
	for i := 0; ; i++ {
		piece := filepath.Join(dir, strconv.Itoa(i)+filepath.Ext(path))
		if _, err := os.Stat(piece); err != nil {
			return pieces
		}
		out := filepath.Join(dir, fmt.Sprintf("GH%02d0034%s", i+1, extension))
		run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=64x48:rate=10:duration=%g", seconds+0.3), "-i", piece,
			"-map", "0:v", "-map", "1:a", "-c:a", "copy", out)
		pieces = append(pieces, out)
	}
}

// cutBytes divides a transport stream into files of whole packets.
func cutBytes(t *testing.T, path string, unit, n int) (pieces []string) {
	t.Helper()
	all, dir := read(t, path), t.TempDir()
	for i := range n {
		from, to := len(all)/unit*i/n*unit, len(all)/unit*(i+1)/n*unit
		pieces = append(pieces, write(t, filepath.Join(dir, fmt.Sprintf("%05d.MTS", i)), all[from:to]))
	}
	return pieces
}

// TestJoinIsSeamless divides one recording into files, as recorders do, and checks that the
// MP3 of all has the same bytes as that of the undivided recording, with one encoder and with
// four.
func TestJoinIsSeamless(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	audio := func(codec string) []string { return []string{"-map", "0:a", "-ac", "2", "-c:a", codec} }
	both := func(codec string, more ...string) []string {
		return append([]string{"-map", "1:v", "-map", "0:a", "-ac", "2", "-c:a", codec}, more...)
	}
	packets := func(extension string) func(*testing.T, string, float64) (string, []string) {
		return func(t *testing.T, path string, seconds float64) (string, []string) {
			// One piece of all packets does not say either which of them are only there for the decoder.
			return cutPackets(t, path, extension, 2*seconds)[0], cutPackets(t, path, extension, seconds/2.99)
		}
	}
	units := func(unit int) func(*testing.T, string, float64) (string, []string) {
		return func(t *testing.T, path string, _ float64) (string, []string) { return path, cutBytes(t, path, unit, 3) }
	}
	for _, tt := range []struct {
		name    string
		seconds int // 70 are encoded by several encoders
		args    []string
		cut     func(t *testing.T, path string, seconds float64) (whole string, pieces []string)
	}{
		{"aac.m4a", 70, audio("aac"), packets(".MP4")},
		{"aac in quicktime.m4a", 15, audio("aac"), packets(".MOV")},
		{"aac in matroska.m4a", 15, audio("aac"), packets(".mkv")},
		{"pcm.mov", 15, audio("pcm_s16le"), packets(".mov")},
		{"aac.ts", 15, both("aac"), units(188)},
		{"mp2.ts", 15, both("mp2"), units(188)},
		{"ac3.ts", 15, both("ac3"), units(188)},
		{"ac3.m2ts", 70, both("ac3", "-mpegts_m2ts_mode", "1"), units(192)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole, pieces := tt.cut(t, mediaFrom(t, noise(tt.seconds), tt.name, tt.args...), float64(tt.seconds))
			want, expected := mustConvert(t, whole, sx.Options{Preset: sx.PresetSmall})
			if len(pieces) != 3 {
				t.Fatalf("%d pieces", len(pieces))
			}
			for _, encoders := range []int{1, 4} {
				tc := transcoder(t, func(c *ffmpeg.Config) { c.Encoders = encoders })
				got, result, err := joinWith(t.Context(), t, tc, sx.Options{Preset: sx.PresetSmall}, pieces...)
				if err != nil {
					t.Fatalf("%v\n%s", err, causes(err))
				}
				if !bytes.Equal(withoutTag(read(t, got)), withoutTag(read(t, want))) {
					t.Errorf("%d encoders: the MP3 of the pieces (%v) is not that of the whole (%v)", encoders, result.Duration, expected.Duration)
				}
				wantWarnings(t, result.Warnings)
			}
		})
	}
}

// TestJoinLeavesOutPriming joins recordings of which each says that its first packet is only
// there for the decoder.
func TestJoinLeavesOutPriming(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"in.mp4", "in.mov", "in.webm"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := []string{"-c:a", "aac", "-aac_pns", "0"} // its noise depends on what was decoded before
			if name == "in.webm" {
				codec = []string{"-c:a", "libopus"}
			}
			var paths []string
			var pcm []byte
			for i := range 3 {
				path := mediaFrom(t, fmt.Sprintf("anoisesrc=color=pink:seed=%d:duration=8:amplitude=0.2:sample_rate=48000", i), name, append([]string{"-map", "0:a", "-ac", "2"}, codec...)...)
				paths = append(paths, path)
				pcm = append(pcm, run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-f", "f32le", "pipe:1")...)
			}
			got, result := mustJoin(t, sx.Options{Preset: sx.PresetSmall}, paths...)
			if want := onePass(t, pcm); !bytes.Equal(withoutTag(read(t, got)), want) {
				t.Errorf("the MP3 (%v) is not that of the sound of each file (%v)", result.Duration, time.Duration(len(pcm)/8)*time.Second/48000)
			}
			wantWarnings(t, result.Warnings)
		})
	}
}

// TestJoinDifferentFiles checks that files that have nothing in common follow one another, and
// are resampled and mixed as one of them needs it.
func TestJoinDifferentFiles(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	late := []string{"-map", "1:v", "-filter_complex", "[0:a]asetpts=PTS+1/TB[a]", "-map", "[a]"}
	tone := func(hertz int) string { return fmt.Sprintf("sine=frequency=%d:sample_rate=44100:duration=3", hertz) }
	first := mediaFrom(t, tone(440), "a.m4a", "-map", "0:a", "-ac", "1", "-ar", "32000")
	second := mediaFrom(t, tone(880), "b.ts", video("-c:a", "ac3")...)
	third := mediaFrom(t, tone(1320), "c.mp4", late...)
	fourth := mediaFrom(t, tone(660), "d.ts", video("-c:a", "ac3")...)
	mp3, result := mustJoin(t, sx.Options{}, first, second, third, fourth, mediaFrom(t, tone(550), "e.mp3", "-map", "0:a"))
	if s := probe(t, mp3).sound(); s.Channels != 2 || s.Rate != "44100" {
		t.Errorf("%d channels at %s Hz", s.Channels, s.Rate)
	}
	if !near(result.Duration, 15*time.Second, 150*time.Millisecond) {
		t.Errorf("%v, want 15 s", result.Duration)
	}
	for i, want := range []float64{440, 880, 1320, 660, 550} {
		from := time.Duration(3*i)*time.Second + 500*time.Millisecond
		if got := frequency(t, mp3, from, from+2*time.Second); math.Abs(got-want) > 2 {
			t.Errorf("file %d: %.1f Hz, want %.0f", i+1, got, want)
		}
	}
	wantWarnings(t, result.Warnings)
}

// TestJoinReportsFiles checks that errors and warnings name the file that they concern.
func TestJoinReportsFiles(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	sound := mediaFrom(t, noise(10), "a.mp4", "-map", "0:a", "-movflags", "+faststart")
	silent := media(t, "b.mp4", "-map", "1:v")
	short := write(t, filepath.Join(t.TempDir(), "c.mp4"), read(t, sound)[:len(read(t, sound))*8/10])
	most := write(t, filepath.Join(t.TempDir(), "d.mp4"), read(t, sound)[:len(read(t, sound))*3/10])
	text := write(t, filepath.Join(t.TempDir(), "e.mp4"), bytes.Repeat([]byte("text "), 2000))

	for _, tt := range []struct {
		paths []string
		code  sx.Code
		want  string
	}{
		{[]string{sound, silent}, sx.CodeNoAudio, "b.mp4: the video has no audio track"},
		{[]string{silent, sound}, sx.CodeNoAudio, "b.mp4: the video has no audio track"},
		{[]string{sound, text}, sx.CodeNotMedia, "e.mp4: "},
		{[]string{sound, most, sound}, sx.CodeTruncated, "d.mp4: the file is truncated: it has"},
	} {
		_, _, err := joined(t, sx.Options{}, tt.paths...)
		wantCode(t, err, tt.code, tt.want)
	}

	_, result := mustJoin(t, sx.Options{}, sound, short, sound)
	if !near(result.Duration, 28*time.Second, time.Second) {
		t.Errorf("%v", result.Duration)
	}
	wantWarnings(t, result.Warnings, sx.WarningTruncated)
	if len(result.Warnings) == 1 && !strings.HasPrefix(result.Warnings[0].Message, "c.mp4: the file is truncated: it has 7.9s of 10s") {
		t.Error(result.Warnings[0].Message)
	}
}

// TestJoinSection checks --start, --end and chapters of files that are joined.
// TestJoinLongTags joins files whose tags are short enough for a conversion of each, but too
// long to be kept together.
func TestJoinLongTags(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	tags, src := filepath.Join(dir, "tags.txt"), filepath.Join(dir, "in.mkv")
	write(t, tags, []byte(";FFMETADATA1\ncomment="+strings.Repeat("a", 3<<20)+"\n"))
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=2", "-f", "ffmetadata", "-i", tags, "-map_metadata", "1", "-c:a", "pcm_s16le", src)
	mustJoin(t, sx.Options{}, src, src)
	_, _, err := joined(t, sx.Options{}, src, src, src)
	wantCode(t, err, sx.CodeUnreadable, "in.mkv: the file's tags and chapters are too long")
}

func TestJoinSection(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	first, one := chaptered(t, 20, "title=Talk\n", span{0, 12, "one"}, span{12, 20, "two"})
	second, two := chaptered(t, 10, "title=Other\n", span{0, 4, "three"}, span{4, 10, "four"})
	pcm := append(slices.Clone(one), two...)

	mp3, result := mustJoin(t, sx.Options{Preset: sx.PresetSmall, Start: 15, End: 26.5}, first, second)
	if want := onePass(t, pcm[8*15*48000:8*26.5*48000]); !bytes.Equal(withoutTag(read(t, mp3)), want) {
		t.Error("the MP3 is not that of the section")
	}
	wantWarnings(t, result.Warnings)
	if got, want := chaptersOf(t, mp3), "0.000000|5.000000|two\n5.000000|9.000000|three\n9.000000|11.500000|four\n"; got != want {
		t.Errorf("chapters\n%swant\n%s", got, want)
	}
	if title := probe(t, mp3).Format.Tags["title"]; title != "Talk" {
		t.Errorf("title %q", title)
	}

	mp3, result = mustJoin(t, sx.Options{Preset: sx.PresetSmall, End: 20}, first, second)
	if want := onePass(t, one); !bytes.Equal(withoutTag(read(t, mp3)), want) {
		t.Error("the MP3 that ends with the first file is not that of the first file")
	}
	wantWarnings(t, result.Warnings)

	_, _, err := joined(t, sx.Options{Start: 31}, first, second)
	wantCode(t, err, sx.CodeNoAudio, "the recording ends at 30s, before the start at 31s")

	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []sx.Options{{SplitChapters: true}, {SplitChapters: true, Loudness: "-30"}} {
		list, result, err := put(t, tc, joinedInput(t, o, first, second))
		if err != nil {
			t.Fatalf("%v\n%s", err, causes(err))
		}
		if want := []string{"one", "two", "three", "four"}; !slices.Equal(result.Titles, want) {
			t.Errorf("titles %q, want %q", result.Titles, want)
		}
		var lengths []time.Duration
		for _, mp3 := range list {
			lengths = append(lengths, decoded(t, mp3).Round(time.Millisecond))
		}
		if want := []time.Duration{12 * time.Second, 8 * time.Second, 4 * time.Second, 6 * time.Second}; !slices.Equal(lengths, want) {
			t.Errorf("lengths %v, want %v", lengths, want)
		}
	}
}
