//go:build unix

package ffmpeg_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/sound"
)

// TestSplitAcrossAJump splits a recording whose clock jumps by 700 s, so that its header
// claims a duration that is too long, and its chapters are later than their sound.
func TestSplitAcrossAJump(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const jump = 700
	plain, _ := chaptered(t, 130, "", span{0, 50, "one"}, span{50, jump + 100, "two"}, span{jump + 100, jump + 130, "three"})
	src := filepath.Join(t.TempDir(), "in.mkv")
	run(t, "ffmpeg", "-v", "error", "-i", plain, "-map_chapters", "0", "-filter:a", fmt.Sprintf(`asetpts=PTS+if(gte(T\,70)\,%d/TB\,0)`, jump), "-c:a", "flac", src)
	pcm := run(t, "ffmpeg", "-v", "error", "-i", src, "-map", "0:a", "-f", "f32le", "pipe:1")
	list, result := mustSplit(t, src, sx.Options{SplitChapters: true, Preset: sx.PresetSmall})
	wantParts(t, list, result, pcm, 50, 100)
	wantWarnings(t, result.Warnings, sx.WarningClock)
	for i, want := range []string{"one", "two", "three"} {
		if i < len(result.Titles) && result.Titles[i] != want {
			t.Errorf("MP3 %d is %q, want %q", i+1, result.Titles[i], want)
		}
	}
	list, result = mustSplit(t, src, sx.Options{SplitEvery: 60, Preset: sx.PresetSmall})
	wantParts(t, list, result, pcm, 60, 120)
	wantWarnings(t, result.Warnings, sx.WarningClock)
}

// TestLoudnessOfParts measures the decoded MP3s, laid end to end, with ffmpeg: all parts
// together have the loudness that was asked for, and the quiet one stays the quiet one.
func TestLoudnessOfParts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const rate, seconds, cut, softer = 48000, 40, 15, 8 // dB
	signals := sound.Signals()
	for _, signal := range signals[:2] { // speech and chords
		t.Run(signal.Name, func(t *testing.T) {
			t.Parallel()
			raw, meta, src := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "meta.txt"), filepath.Join(t.TempDir(), "in.mka")
			write(t, raw, signal.PCM(rate, 2, seconds*rate))
			write(t, meta, fmt.Appendf(nil, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=%d\n[CHAPTER]\nTIMEBASE=1/1\nSTART=%d\nEND=%d\n", cut, cut, seconds))
			run(t, "ffmpeg", "-v", "error", "-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", "2", "-i", raw, "-i", meta, "-map_chapters", "1",
				"-filter:a", fmt.Sprintf("volume='0.2*if(lt(t,%d),pow(10,-%d/20),1)':eval=frame", cut, softer), "-c:a", "flac", src)
			list, _ := mustSplit(t, src, sx.Options{SplitChapters: true, Loudness: "auto"})
			if len(list) != 2 {
				t.Fatalf("%d MP3s", len(list))
			}
			var all []byte
			var loud [2]float64
			for i, mp3 := range list {
				all = append(all, run(t, "ffmpeg", "-v", "error", "-i", mp3, "-f", "f32le", "pipe:1")...)
				var peak float64
				if loud[i], peak = ebur128(t, mp3); peak > -1 {
					t.Errorf("MP3 %d has a true peak of %.1f dBTP, want at most -1", i+1, peak)
				}
			}
			together, wav := filepath.Join(t.TempDir(), "all"), filepath.Join(t.TempDir(), "all.wav")
			write(t, together, all)
			run(t, "ffmpeg", "-v", "error", "-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", "2", "-i", together, "-c:a", "pcm_f32le", wav)
			if got, _ := ebur128(t, wav); math.Abs(got+16) > 0.5 {
				t.Errorf("all MP3s together have %.1f LUFS, want -16", got)
			}
			// The limiter lowers only what is loud.
			if got := loud[1] - loud[0]; got > softer+0.5 || got < softer-2.5 {
				t.Errorf("the MP3s have %.1f and %.1f LUFS; the second was louder by %d", loud[0], loud[1], softer)
			}
		})
	}
}

// TestSplitInASinglePass has the encoders of a part die. That part, or with a loudness all of
// them, are encoded again in a single pass, and have the same bytes.
func TestSplitInASinglePass(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src, _ := chaptered(t, 60, "", span{0, 20, "one"}, span{20, 40, "two"}, span{40, 60, "three"})
	for _, tt := range []struct {
		part    int
		options sx.Options
	}{{1, sx.Options{}}, {2, sx.Options{}}, {3, sx.Options{}}, {2, sx.Options{Loudness: "-14"}}} {
		t.Run(fmt.Sprint(tt.part, " ", tt.options.Loudness), func(t *testing.T) {
			t.Parallel()
			tt.options.SplitChapters, tt.options.Preset = true, sx.PresetHigh
			// An encoder waits in the middle of its part until there is the file go.
			path, started := program(t, `PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin
case $* in *"-flush_packets 1"*) ;; *) exec ffmpeg "$@";; esac
cd "$(dirname "$0")" && echo $$ >>encoders
{ head -c 4000000; until [ -e go ]; do sleep 0.1; done; exec cat; } | ffmpeg "$@"`)
			dir := filepath.Dir(started)
			goOn := filepath.Join(dir, "go")
			if tt.part > 1 {
				write(t, goOn, nil)
			}
			registry := prometheus.NewRegistry()
			tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg, c.Registerer = path, registry })
			killed, media, got := false, read(t, src), t.TempDir()
			out := converter.Output{Progress: func(converter.Progress) {}, Put: func(number int, head store.Head, body io.Reader) error {
				if !killed && number == tt.part {
					killed = true
					if _, err := io.ReadFull(body, make([]byte, 4096)); err != nil {
						return err
					}
					killEncoders(t, dir)
					write(t, goOn, nil)
					_, err := io.Copy(io.Discard, body)
					return err
				}
				err := toFile(partOf(got, number)).Put(number, head, body)
				if !killed && number == tt.part-1 {
					err = errors.Join(err, os.Remove(goOn))
				}
				return err
			}}
			_, err := tc.Transcode(t.Context(), converter.Input{Video: bytes.NewReader(media), Size: int64(len(media)), Options: tt.options}, out)
			if err != nil {
				t.Fatalf("%v\n%s", err, causes(err))
			}
			if n := counted(t, registry, "sx_converter_single_passes_total", "unproven"); n != 1 {
				t.Errorf("%v single passes, want 1", n)
			}
			want, _ := mustSplit(t, src, tt.options)
			if len(want) != 3 {
				t.Fatalf("%d MP3s", len(want))
			}
			for i := range want {
				if !bytes.Equal(read(t, partOf(got, i+1)), read(t, want[i])) {
					t.Errorf("MP3 %d differs", i+1)
				}
			}
		})
	}
}

func partOf(dir string, number int) string {
	return filepath.Join(dir, strconv.Itoa(number)+".mp3")
}

// killEncoders ends the process groups that the script has listed.
func killEncoders(t *testing.T, dir string) {
	t.Helper()
	for text := range strings.FieldsSeq(string(read(t, filepath.Join(dir, "encoders")))) {
		group, err := strconv.Atoi(text)
		if err != nil {
			t.Error(err)
			return
		}
		_ = syscall.Kill(-group, syscall.SIGKILL) // those that have ended are gone
	}
}
