package ffmpeg_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// span is a chapter in seconds.
type span struct {
	start, end float64
	title      string
}

// chaptered returns a file with 48 kHz stereo noise and the chapters, and its PCM (f32le).
func chaptered(t *testing.T, seconds int, tags string, chapters ...span) (path string, pcm []byte) {
	t.Helper()
	text := ";FFMETADATA1\n" + tags
	for _, c := range chapters {
		text += fmt.Sprintf("[CHAPTER]\nTIMEBASE=1/1000\nSTART=%.0f\nEND=%.0f\ntitle=%s\n", 1000*c.start, 1000*c.end, c.title)
	}
	meta := filepath.Join(t.TempDir(), "meta.txt")
	write(t, meta, []byte(text))
	path = mediaFrom(t, fmt.Sprintf("anoisesrc=color=pink:seed=2:duration=%d:amplitude=0.2:sample_rate=48000", seconds), "in.mkv",
		"-i", meta, "-map", "0:a", "-map_metadata", "2", "-map_chapters", "2", "-ac", "2", "-c:a", "flac")
	return path, run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-f", "f32le", "pipe:1")
}

// parts converts the file, and returns the paths of the MP3s.
func parts(t *testing.T, tc *ffmpeg.Transcoder, path string, o sx.Options) ([]string, converter.Result, error) {
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
	return put(t, tc, converter.Input{Video: f, Size: info.Size(), Options: o})
}

// put converts the video, and returns the paths of the MP3s.
func put(t *testing.T, tc *ffmpeg.Transcoder, in converter.Input) ([]string, converter.Result, error) {
	t.Helper()
	dir := t.TempDir()
	var list []string
	out := converter.Output{Progress: func(converter.Progress) {}, Put: func(number int, head store.Head, body io.Reader) error {
		mp3 := filepath.Join(dir, fmt.Sprintf("%d.mp3", number))
		if number > len(list) {
			list = append(list, mp3)
		}
		return toFile(mp3).Put(1, head, body)
	}}
	result, err := tc.Transcode(t.Context(), in, out)
	return list[:min(len(list), len(result.Durations))], result, err
}

func mustSplit(t *testing.T, path string, o sx.Options) ([]string, converter.Result) {
	t.Helper()
	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	list, result, err := parts(t, tc, path, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	return list, result
}

// onePass encodes PCM with one ffmpeg.
func onePass(t *testing.T, pcm []byte) []byte {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "pcm"), filepath.Join(t.TempDir(), "want.mp3")
	write(t, in, pcm)
	run(t, "ffmpeg", "-v", "error", "-f", "f32le", "-ar", "48000", "-ac", "2", "-i", in, "-id3v2_version", "0", "-c:a", "libmp3lame", "-b:a", "128k", out)
	return read(t, out)
}

// wantParts checks that each MP3 is what one pass makes of its slice of the PCM. Laid end to
// end, the slices are all of it. cuts are in seconds.
func wantParts(t *testing.T, list []string, result converter.Result, pcm []byte, cuts ...float64) {
	t.Helper()
	if len(list) != len(cuts)+1 || len(result.Durations) != len(list) {
		t.Fatalf("%d MP3s with the durations %v, want %d", len(list), result.Durations, len(cuts)+1)
	}
	from := 0
	for i, mp3 := range list {
		to := len(pcm)
		if i < len(cuts) {
			to = 8 * int(cuts[i]*48000+0.5)
		}
		if !bytes.Equal(withoutTag(read(t, mp3)), onePass(t, pcm[from:to])) {
			t.Errorf("MP3 %d is not that of its part of the sound", i+1)
		}
		want := time.Duration(to-from) * time.Second / (8 * 48000)
		if !near(result.Durations[i], want, time.Microsecond) || !near(decoded(t, mp3), want, 30*time.Microsecond) {
			t.Errorf("MP3 %d: %v, decoded %v, want %v", i+1, result.Durations[i], decoded(t, mp3), want)
		}
		from = to
	}
}

// chaptersOf lists the chapters of an MP3.
func chaptersOf(t *testing.T, mp3 string) string {
	t.Helper()
	return string(run(t, "ffprobe", "-v", "error", "-show_entries", "chapter=start_time,end_time:chapter_tags=title", "-of", "compact=p=0:nk=1", mp3))
}

func TestSplitByChapters(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const tags = "title=Talk\nartist=ada\nTSRC=USRC17607839\n"
	for _, tt := range []struct {
		name     string
		chapters []span
		o        sx.Options
		cuts     []float64 // from the start of the section
		titles   []string
	}{
		{name: "in their order", chapters: []span{{0, 4, "one"}, {4, 11.5, "two"}, {11.5, 20, "three"}}, cuts: []float64{4, 11.5}, titles: []string{"one", "two", "three"}},
		{name: "gaps and overlaps", chapters: []span{{0, 2, "one"}, {4, 15, "two"}, {10, 12, "three"}}, cuts: []float64{4, 10}, titles: []string{"one", "two", "three"}},
		{name: "short lead", chapters: []span{{3, 8, "one"}, {8, 20, "two"}}, cuts: []float64{8}, titles: []string{"one", "two"}},
		{name: "long lead", chapters: []span{{6, 8, "one"}, {8, 20, "two"}}, cuts: []float64{6, 8}, titles: []string{"Talk (1/3)", "one", "two"}},
		{name: "without titles", chapters: []span{{0, 8, ""}, {8, 20, "two"}}, cuts: []float64{8}, titles: []string{"Talk (1/2)", "two"}},
		{name: "very short, and after the end", chapters: []span{{0, 0.5, "mark"}, {0.5, 9, "one"}, {9, 19.5, "two"}, {19.5, 25, "end"}, {30, 40, "later"}}, cuts: []float64{9}, titles: []string{"one", "two"}},
		{name: "nested", chapters: []span{{0, 20, "all"}, {0, 9, "one"}, {9, 20, "two"}}, cuts: []float64{9}, titles: []string{"one", "two"}},
		{name: "section", chapters: []span{{0, 4, "one"}, {4, 11, "two"}, {11, 20, "three"}}, o: sx.Options{Start: 6, End: 15.5}, cuts: []float64{5}, titles: []string{"two", "three"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, pcm := chaptered(t, 20, tags, tt.chapters...)
			o := tt.o
			o.SplitChapters, o.Preset = true, sx.PresetSmall
			if o.End > 0 {
				pcm = pcm[8*int(o.Start*48000) : 8*int(o.End*48000)]
			}
			list, result := mustSplit(t, src, o)
			wantParts(t, list, result, pcm, tt.cuts...)
			for i, mp3 := range list {
				got := probe(t, mp3).Format.Tags
				if want := fmt.Sprintf("%d/%d", i+1, len(list)); got["title"] != tt.titles[i] || got["track"] != want || got["album"] != "Talk" || got["artist"] != "ada" || got["TSRC"] != "" {
					t.Errorf("MP3 %d has the tags %v, want %s and %q", i+1, got, want, tt.titles[i])
				}
			}
			if len(result.Warnings) > 0 {
				t.Errorf("warnings: %v", result.Warnings)
			}
		})
	}
}

// TestSplitKeepsJoinedChapters checks that chapters that are too short for an MP3 are in
// the tag of the one that they are part of.
func TestSplitKeepsJoinedChapters(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, _ := chaptered(t, 12, "", span{0, 0.5, "mark"}, span{0.5, 6, "one"}, span{6, 12, "two"})
	list, _ := mustSplit(t, src, sx.Options{SplitChapters: true})
	if got, want := chaptersOf(t, list[0]), "0.000000|0.500000|mark\n0.500000|6.000000|one\n"; got != want {
		t.Errorf("chapters of the first:\n%swant\n%s", got, want)
	}
	if got := chaptersOf(t, list[1]); got != "" {
		t.Errorf("chapters of the second: %s", got)
	}
}

func TestSplitWithoutChapters(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, pcm := chaptered(t, 7, "track=3\n")
	list, result := mustSplit(t, src, sx.Options{SplitChapters: true, Preset: sx.PresetSmall})
	wantParts(t, list, result, pcm)
	wantWarnings(t, result.Warnings, sx.WarningNoChapters)
	if got := probe(t, list[0]).Format.Tags; got["track"] != "3" {
		t.Errorf("tags: %v", got)
	}
	src, _ = chaptered(t, 7, "", span{0, 7, "one"})
	if list, result = mustSplit(t, src, sx.Options{SplitChapters: true}); len(list) != 1 || len(result.Warnings) > 0 {
		t.Errorf("one chapter: %d MP3s, warnings %v", len(list), result.Warnings)
	}
}

func TestSplitEvery(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, pcm := chaptered(t, 130, "title=Talk\n", span{0, 50, "one"}, span{50, 70, "two"}, span{70, 130, "three"})
	list, result := mustSplit(t, src, sx.Options{SplitEvery: 60, Preset: sx.PresetSmall})
	wantParts(t, list, result, pcm, 60, 120)
	for i, want := range []string{
		"0.000000|50.000000|one\n50.000000|60.000000|two\n",
		"0.000000|10.000000|two\n10.000000|60.000000|three\n",
		"0.000000|10.000000|three\n",
	} {
		if got := chaptersOf(t, list[i]); got != want {
			t.Errorf("chapters of MP3 %d:\n%swant\n%s", i+1, got, want)
		}
	}
	if got := probe(t, list[2]).Format.Tags; got["title"] != "Talk (3/3)" || got["track"] != "3/3" || got["album"] != "Talk" {
		t.Errorf("tags: %v", got)
	}
	list, result = mustSplit(t, src, sx.Options{SplitEvery: 62.5, Preset: sx.PresetSmall, Start: 1.25})
	wantParts(t, list, result, pcm[8*60000:], 62.5) // a rest of 3.75 s belongs to the last
	list, result = mustSplit(t, src, sx.Options{SplitEvery: 600, Preset: sx.PresetSmall})
	wantParts(t, list, result, pcm)
}

// TestSplitOnSeveralCores checks that the number of encoders does not change the bytes, also
// with a loudness, and where encoders cannot work together.
func TestSplitOnSeveralCores(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, _ := chaptered(t, 75, "", span{0, 25, "one"}, span{25, 75, "two"})
	for _, o := range []sx.Options{{}, {Loudness: "-14"}, {Quality: new(int)}} {
		o.SplitChapters = true
		var first []string
		for _, encoders := range []int{1, 4} {
			list, _, err := parts(t, transcoder(t, func(cfg *ffmpeg.Config) { cfg.Encoders = encoders }), src, o)
			if err != nil {
				t.Fatal(causes(err))
			}
			if first == nil {
				first = list
			}
			for i := range list {
				if len(list) != 2 || !bytes.Equal(read(t, list[i]), read(t, first[i])) {
					t.Errorf("%+v: MP3 %d of %d differs with %d encoders", o, i+1, len(list), encoders)
				}
			}
		}
	}
}

// TestSplitOfAFalseDuration converts files whose header says that they are longer or shorter
// than they are, or nothing.
func TestSplitOfAFalseDuration(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, pcm := chaptered(t, 70, "")
	wav := filepath.Join(t.TempDir(), "in.wav")
	run(t, "ffmpeg", "-v", "error", "-i", src, "-c:a", "pcm_f32le", wav)
	whole := read(t, wav)
	at := bytes.Index(whole, []byte("data")) + 4
	for _, size := range []uint32{0xFFFFFFFF, 8 * 48000 * 130} { // unknown, and too long
		data := slices.Clone(whole)
		for i := range 4 {
			data[at+i] = byte(size >> (8 * i))
		}
		list, result := mustSplit(t, write(t, filepath.Join(t.TempDir(), "in.wav"), data), sx.Options{SplitEvery: 60, Preset: sx.PresetSmall})
		wantParts(t, list, result, pcm, 60)
		if size != 0xFFFFFFFF {
			wantWarnings(t, result.Warnings, sx.WarningTruncated)
		}
	}
	webm := filepath.Join(t.TempDir(), "in.webm")
	write(t, webm, run(t, "ffmpeg", "-v", "error", "-i", src, "-c:a", "libopus", "-f", "webm", "pipe:1")) // without a duration
	if list, result := mustSplit(t, webm, sx.Options{SplitEvery: 60}); len(list) != 2 || result.Durations[0] != time.Minute {
		t.Errorf("%d MP3s, durations %v", len(list), result.Durations)
	}
}

// TestSplitOfACentury converts a file whose track says that it is a hundred years long: the
// list of its parts would have gigabytes. No other test runs beside it, because it counts
// what is allocated.
func TestSplitOfACentury(t *testing.T) {
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, _ := chaptered(t, 70, "")
	mkv := filepath.Join(t.TempDir(), "in.mkv")
	run(t, "ffmpeg", "-v", "error", "-i", src, "-c:a", "pcm_s16le", "-metadata:s:a", "DURATION=00:01:10.000000000", mkv)
	data := read(t, mkv)
	if n := bytes.Count(data, []byte("00:01:10.000000000")); n != 1 {
		t.Fatalf("%d durations of the track in the file", n)
	}
	write(t, mkv, bytes.Replace(data, []byte("00:01:10.000000000"), []byte("876000:00:00.00000"), 1))
	before := allocated()
	list, result := mustSplit(t, mkv, sx.Options{SplitEvery: 60, Preset: sx.PresetSmall})
	if len(list) != 2 || result.Durations[0] != time.Minute {
		t.Errorf("%d MP3s, durations %v", len(list), result.Durations)
	}
	if n := allocated() - before; n > 512<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

// allocated returns how many bytes have been allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestSplitIntoTooMany(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	var chapters []span
	for i := range 300 {
		chapters = append(chapters, span{float64(i), float64(i + 1), fmt.Sprint(i)})
	}
	src, _ := chaptered(t, 300, "", chapters...)
	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = parts(t, tc, src, sx.Options{SplitChapters: true})
	wantCode(t, err, sx.CodeOutputLimit, "300 MP3s, but at most 255")
}

// TestSplitFailure checks that an error of storing a part ends the conversion.
func TestSplitFailure(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, _ := chaptered(t, 20, "", span{0, 8, "one"}, span{8, 20, "two"})
	tc, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	_, err = tc.Transcode(t.Context(), converter.Input{Video: bytes.NewReader(read(t, src)), Size: int64(len(read(t, src))), Options: sx.Options{SplitChapters: true}},
		converter.Output{Progress: func(converter.Progress) {}, Put: func(number int, head store.Head, body io.Reader) error {
			if number == 2 {
				return full
			}
			return discard.Put(number, head, body)
		}})
	if !errors.Is(err, full) || strings.Contains(err.Error(), "samples") {
		t.Errorf("the error is %v", err)
	}
}
