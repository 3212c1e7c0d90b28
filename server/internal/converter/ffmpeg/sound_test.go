package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// pcm decodes the file to interleaved samples.
func pcm(t *testing.T, path string) (samples []float32, channels, rate int) {
	t.Helper()
	s := probe(t, path).sound()
	if _, err := fmt.Sscan(s.Rate, &rate); err != nil {
		t.Fatal(err)
	}
	raw := run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a:0", "-f", "f32le", "pipe:1")
	samples = make([]float32, len(raw)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return samples, s.Channels, rate
}

// peaks returns the peak of all channels in each of n equal parts.
func peaks(samples []float32, n int) []float64 {
	out := make([]float64, n)
	for i, v := range samples {
		at := i * n / len(samples)
		out[at] = max(out[at], math.Abs(float64(v)))
	}
	return out
}

// heard converts the file and returns its peaks in each of n equal parts.
func heard(t *testing.T, path string, o sx.Options, n int) ([]float64, converted) {
	t.Helper()
	mp3, result := mustConvert(t, path, o)
	samples, _, _ := pcm(t, mp3)
	return peaks(samples, n), result
}

// frequency estimates the frequency of a tone in a part of the file by its zero crossings.
func frequency(t *testing.T, path string, from, to time.Duration) float64 {
	t.Helper()
	samples, channels, rate := pcm(t, path)
	at := func(d time.Duration) int { return int(d.Seconds()*float64(rate)) * channels }
	crossings := 0
	part := samples[min(at(from), len(samples)):min(at(to), len(samples))]
	for i := channels; i < len(part); i += channels {
		if part[i-channels] < 0 && part[i] >= 0 {
			crossings++
		}
	}
	return float64(crossings) / (to - from).Seconds()
}

func wantWarnings(t *testing.T, got []sx.Warning, codes ...string) {
	t.Helper()
	var have []string
	for _, w := range got {
		have = append(have, w.Code)
	}
	if !slices.Equal(have, codes) {
		t.Errorf("warnings %v, want %v", got, codes)
	}
}

func wantLevel(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.05*max(want, 0.2) {
		t.Errorf("%s: level %.3f, want %.3f", what, got, want)
	}
}

// join appends files to each other.
func join(t *testing.T, name string, paths ...string) string {
	t.Helper()
	var all []byte
	for _, p := range paths {
		all = append(all, read(t, p)...)
	}
	return write(t, filepath.Join(t.TempDir(), name), all)
}

// TestClock checks that audio is where it was on the video's clock.
func TestClock(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	// A beep from 2.0 to 2.5 s of the sound, which starts late or has a gap.
	const beep = "aevalsrc=if(between(t\\,2\\,2.5)\\,0.5*sin(880*PI*t)\\,0):d=3:s=48000"
	late := []string{"-map", "1:v", "-filter_complex", "[0:a]asetpts=PTS+1/TB[a]", "-map", "[a]"}
	gap := func(codec string) []string {
		return []string{"-map", "1:v", "-map", "0:a", "-c:a", codec, "-bsf:a", "noise=drop='between(pts*tb,0.5,1.5)'"}
	}
	for _, tt := range []struct {
		name string
		args []string
		at   time.Duration // of the beep's start
	}{
		{"late.mp4", late, 3 * time.Second},
		{"late.mkv", late, 3 * time.Second},
		{"late.ts", late, 3 * time.Second},
		{"late.flv", append(slices.Clone(late), "-ar", "44100"), 3 * time.Second},
		{"late.mov", append(slices.Clone(late), "-c:a", "pcm_s16le"), 3 * time.Second},
		{"gap.mkv", gap("pcm_s16le"), 2 * time.Second},
		{"gap.ts", gap("ac3"), 2 * time.Second},
		{"gap.mp4", gap("aac"), 2 * time.Second},
		{"plain.mp4", []string{"-map", "1:v", "-map", "0:a"}, 2 * time.Second},
		{"plain.webm", []string{"-map", "1:v", "-map", "0:a", "-c:v", "libvpx", "-c:a", "libopus"}, 2 * time.Second},
		{"fragmented.mp4", []string{"-map", "1:v", "-map", "0:a", "-movflags", "frag_keyframe+empty_moov"}, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mp3, result := mustConvert(t, mediaFrom(t, beep, tt.name, tt.args...), sx.Options{})
			samples, channels, rate := pcm(t, mp3)
			first := slices.IndexFunc(samples, func(v float32) bool { return v > 0.2 })
			at := time.Duration(float64(first/channels) / float64(rate) * float64(time.Second))
			if !near(at, tt.at, 50*time.Millisecond) {
				t.Errorf("the beep is at %s, want %s", at, tt.at)
			}
			wantWarnings(t, result.Warnings)
		})
	}
}

// TestLongGaps checks that a gap of more than ten minutes is kept if the picture goes on
// through it, and that it otherwise is a jump of the clock.
func TestLongGaps(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	jump := "='PTS+if(gte(T\\,1)\\,%s/TB\\,0)'"
	for _, tt := range []struct {
		name    string
		picture string // the filter for it
		gap     string // in seconds
		want    time.Duration
		codes   []string
	}{
		{"the picture goes on", "null", "700", 702 * time.Second, nil},
		{"the picture jumps too", "setpts" + jump, "700", 2 * time.Second, []string{sx.WarningClock}},
		{"10,000 hours", "setpts" + jump, "36000000", 2 * time.Second, []string{sx.WarningClock}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			graph := "[0:a]asetpts" + fmt.Sprintf(jump, tt.gap) + "[a];[2:v]" + strings.ReplaceAll(tt.picture, "%s", tt.gap) + "[v]"
			src := mediaFrom(t, "sine=frequency=440:sample_rate=8000:duration=2", "in.mkv",
				"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=1:duration=705", "-filter_complex", graph, "-map", "[v]", "-map", "[a]",
				"-vsync", "passthrough", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")
			_, result := mustConvert(t, src, sx.Options{Preset: sx.PresetSpeech})
			if !near(result.Duration, tt.want, time.Second) {
				t.Errorf("duration %s, want %s", result.Duration, tt.want)
			}
			wantWarnings(t, result.Warnings, tt.codes...)
		})
	}
}

// TestSameSamples checks that a file without a picture keeps all its samples and gets none.
func TestSameSamples(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"in.m4a", "in.mka", "in.opus", "in.ogg", "in.flac", "in.wav", "in.aiff", "in.ac3", "in.wma", "in.caf"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := media(t, name, "-map", "0:a", "-t", "1.2345")
			want, _, _ := pcm(t, src)
			got, result := mustConvert(t, src, sx.Options{})
			have, _, _ := pcm(t, got)
			if len(have) != len(want) {
				t.Errorf("%d samples, want %d", len(have), len(want))
			}
			wantWarnings(t, result.Warnings)
		})
	}
}

// TestStaleHeaders checks that a header's claim counts for less than what was decoded.
func TestStaleHeaders(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	short := "sine=duration=1:sample_rate=44100"
	long := []string{"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=5:duration=30", "-map", "2:v", "-map", "0:a"}
	for _, tt := range []struct {
		name string
		path func() string
		want time.Duration
	}{
		{"DURATION tag too long", func() string {
			path := media(t, "in.mka", "-map", "0:a", "-c:a", "libopus", "-metadata:s:a:0", "DURATION=00:00:12.000000000")
			return write(t, path, bytes.ReplaceAll(read(t, path), []byte("00:00:03."), []byte("00:00:12.")))
		}, 3 * time.Second},
		{"FLV clock that starts at 3 h", func() string {
			return media(t, "in.flv", "-map", "0:a", "-ar", "44100", "-output_ts_offset", "10800", "-flvflags", "no_duration_filesize")
		}, 3 * time.Second},
		{"sound shorter than the picture in FLV", func() string { return mediaFrom(t, short, "in.flv", append(long, "-ar", "44100")...) }, time.Second},
		{"sound shorter than the picture in WMV", func() string { return mediaFrom(t, short, "in.wmv", long...) }, time.Second},
		{"sound shorter than the picture in MPG", func() string { return mediaFrom(t, short, "in.mpg", append(long, "-r", "25")...) }, time.Second},
		{"sound shorter than the picture in AVI", func() string { return mediaFrom(t, short, "in.avi", long...) }, time.Second},
		{"sound shorter than the picture in MKV", func() string { return mediaFrom(t, short, "in.mkv", long...) }, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, result := mustConvert(t, tt.path(), sx.Options{})
			if !near(result.Duration, tt.want, 150*time.Millisecond) {
				t.Errorf("duration %s, want %s", result.Duration, tt.want)
			}
			wantWarnings(t, result.Warnings)
		})
	}
}

// TestTruncatedWithWarning checks that a file of which most is there is converted.
func TestTruncatedWithWarning(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const sound = "sine=frequency=440:sample_rate=48000:duration=20"
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"in.m4a", []string{"-movflags", "+faststart"}},
		{"in.mka", nil},
		{"in.wav", nil},
		{"in.aiff", nil},
		{"in.flac", nil},
		{"in.avi", nil},
		{"in.flv", []string{"-ar", "44100"}},
		{"in.wma", nil},
		{"in.caf", nil},
		{"in.mp3", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := mediaFrom(t, sound, tt.name, append([]string{"-map", "0:a"}, tt.args...)...)
			data := read(t, path)
			write(t, path, data[:len(data)*8/10])
			_, result := mustConvert(t, path, sx.Options{Preset: sx.PresetSmall})
			if !near(result.Duration, 16*time.Second, 2*time.Second) {
				t.Errorf("duration %s", result.Duration)
			}
			if len(result.Warnings) == 0 || result.Warnings[0].Code != sx.WarningTruncated {
				t.Errorf("warnings %v", result.Warnings)
			}
			write(t, path, data[:len(data)*3/10])
			if _, _, err := convert(t, path, sx.Options{Preset: sx.PresetSmall}); sx.CodeOf(err) != sx.CodeTruncated {
				t.Errorf("with 30 %% of the bytes: %v", err)
			}
		})
	}
}

// TestAudioContinues checks that audio is followed where its stream, its codec or the file
// changes.
func TestAudioContinues(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	part := func(name, hz string, args ...string) string {
		return mediaFrom(t, "sine=frequency="+hz+":sample_rate=48000:duration=3", name, append([]string{"-map", "1:v", "-map", "0:a"}, args...)...)
	}
	later := []string{"-output_ts_offset", "3"}
	// tracks makes two audio tracks of 3 s.
	tracks := func(name, first, second string, args ...string) string {
		return mediaFrom(t, "sine=frequency="+first+":sample_rate=48000:duration=3", name, append([]string{
			"-f", "lavfi", "-i", "sine=frequency=" + second + ":sample_rate=48000:duration=3", "-map", "1:v", "-map", "0:a", "-map", "2:a", "-c:a", "ac3",
		}, args...)...)
	}
	languages := func(first, second string) []string {
		return []string{"-metadata:s:a:0", "language=" + first, "-metadata:s:a:1", "language=" + second}
	}
	header := func(name string, at, size int, order binary.ByteOrder) string {
		path := mediaFrom(t, "sine=frequency=880:sample_rate=48000:duration=6", name, "-map", "0:a", "-bitexact")
		data := read(t, path)
		order.PutUint32(data[at:], uint32(size))
		return write(t, path, data)
	}
	for _, tt := range []struct {
		name     string
		path     func() string
		hz       float64 // in the second half; 0 is not checked
		warnings []string
	}{
		{"another PID", func() string {
			return join(t, "in.ts", part("a.ts", "440", "-c:a", "ac3"), part("b.ts", "880", append(later, "-c:a", "ac3", "-streamid", "1:300")...))
		}, 880, nil},
		{"another codec", func() string {
			return join(t, "in.ts", part("a.ts", "440", "-c:a", "aac"), part("b.ts", "880", append(later, "-c:a", "ac3")...))
		}, 880, nil},
		{"other PIDs, the languages in another order", func() string {
			return join(t, "in.ts", tracks("a.ts", "440", "660", languages("eng", "deu")...),
				tracks("b.ts", "550", "880", append(append(later, languages("deu", "eng")...), "-streamid", "1:300", "-streamid", "2:301")...))
		}, 880, nil},
		{"the other track keeps its PID", func() string {
			return join(t, "in.ts", tracks("a.ts", "440", "660", "-streamid", "1:300", "-streamid", "2:301"),
				tracks("b.ts", "550", "880", append(later, "-streamid", "1:301", "-streamid", "2:302")...))
		}, 880, nil},
		{"a clock that starts again", func() string {
			return join(t, "in.ts", part("a.ts", "440"), part("b.ts", "880"))
		}, 880, []string{sx.WarningClock}},
		{"joined WAV", func() string {
			return join(t, "in.wav", media(t, "a.wav", "-map", "0:a"), mediaFrom(t, "sine=frequency=880:sample_rate=48000:duration=3", "b.wav", "-map", "0:a"))
		}, 880, nil},
		{"joined MP4", func() string { return join(t, "in.mp4", part("a.mp4", "440"), part("b.mp4", "880")) }, 880, nil},
		{"joined MP3 of two formats", func() string {
			return join(t, "in.mp3", mediaFrom(t, "sine=frequency=440:sample_rate=44100:duration=3", "a.mp3", "-map", "0:a", "-ac", "2", "-write_xing", "0"),
				mediaFrom(t, "sine=frequency=880:sample_rate=48000:duration=3", "b.mp3", "-map", "0:a", "-write_xing", "0"))
		}, 0, nil},
		{"WAV that declares 2 s", func() string { return header("in.wav", 40, 2*96000, binary.LittleEndian) }, 880, []string{sx.WarningHeader}},
		{"AIFF that declares 2 s", func() string { return header("in.aiff", 42, 2*96000+8, binary.BigEndian) }, 880, []string{sx.WarningHeader}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := sx.Options{Preset: sx.PresetSmall}
			mp3, result := mustConvert(t, tt.path(), o)
			if !near(result.Duration, 6*time.Second, 200*time.Millisecond) {
				t.Errorf("duration %s, want 6 s", result.Duration)
			}
			if tt.hz > 0 {
				if got := frequency(t, mp3, 4*time.Second, 5*time.Second); math.Abs(got-tt.hz) > 5 {
					t.Errorf("%.0f Hz at 4 s, want %.0f", got, tt.hz)
				}
			}
			wantWarnings(t, result.Warnings, tt.warnings...)
		})
	}
}

// TestMatrix checks that the mix of several channels depends on their positions only, does
// not clip, and loses no channel.
func TestMatrix(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	t.Run("codecs", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{
			{"-c:a", "ac3", "-b:a", "640k"},
			{"-c:a", "eac3", "-b:a", "1024k"},
			{"-c:a", "aac", "-b:a", "768k"},
			{"-c:a", "flac"},
			{"-c:a", "pcm_s16le"},
			{"-c:a", "dca", "-strict", "-2", "-b:a", "1411k"},
			{"-c:a", "libopus", "-b:a", "510k", "-mapping_family", "1"},
		} {
			// Some encoders keep only the lowest part of the LFE channel.
			sound := strings.Repeat("0.9*sin(880*PI*t)|", 3) + "0|" + "0.9*sin(880*PI*t)|0.9*sin(880*PI*t)"
			src := mediaFrom(t, "aevalsrc="+sound+":d=2:s=48000:c=5.1", "in.mka", append([]string{"-map", "0:a"}, args...)...)
			levels, _ := heard(t, src, sx.Options{Preset: sx.PresetHigh}, 4)
			wantLevel(t, args[1], levels[2], 0.9*(1+0.7071+0.7071)/(1+0.7071+0.5+0.7071))
			if slices.Max(levels) > 1 {
				t.Errorf("%s: peak %.3f", args[1], slices.Max(levels))
			}
		}
	})
	t.Run("channels", func(t *testing.T) {
		t.Parallel()
		for _, channels := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 32, 64} {
			raw := make([]byte, 2*channels*48000)
			for i := range 48000 {
				for c := range channels {
					binary.LittleEndian.PutUint16(raw[2*(i*channels+c):], uint16(int16(16000*math.Sin(2*math.Pi*440*float64(i)/48000))))
				}
			}
			path := write(t, filepath.Join(t.TempDir(), "in.wav"), append(wavHeader(channels, 48000, len(raw)), raw...))
			levels, _ := heard(t, path, sx.Options{}, 4)
			wantLevel(t, fmt.Sprint(channels, " channels"), levels[2], 16000./32768)
		}
	})
	t.Run("each channel of 5.1", func(t *testing.T) {
		t.Parallel()
		const sum = 1 + 0.7071 + 0.5 + 0.7071
		for i, want := range []float64{1, 1, 0.7071, 0.5, 0.7071, 0.7071} {
			only := slices.Repeat([]string{"0"}, 6)
			only[i] = "0.9*sin(200*PI*t)"
			src := mediaFrom(t, "aevalsrc="+strings.Join(only, "|")+":d=2:s=48000:c=5.1", "in.flac", "-map", "0:a")
			levels, _ := heard(t, src, sx.Options{}, 4)
			wantLevel(t, fmt.Sprint("channel ", i), levels[2], 0.9*want/sum)
		}
	})
}

// wavHeader returns a header of 16-bit PCM without positions of channels.
func wavHeader(channels, rate, size int) []byte {
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(2*channels*rate))
	b = binary.LittleEndian.AppendUint16(b, uint16(2*channels))
	b = append(b, "\x10\x00data"...)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

// TestNotANumber converts samples that LAME does not survive.
func TestNotANumber(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e10} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			t.Parallel()
			path := media(t, "in.wav", "-map", "0:a", "-c:a", "pcm_f32le", "-fflags", "+bitexact")
			data := read(t, path)
			for i := range 1000 {
				binary.LittleEndian.PutUint32(data[len(data)/2&^3+4*i:], math.Float32bits(float32(v)))
			}
			_, result := mustConvert(t, write(t, path, data), sx.Options{})
			if !near(result.Duration, 3*time.Second, 50*time.Millisecond) {
				t.Errorf("duration %s", result.Duration)
			}
		})
	}
}

// TestMono checks that mono is as loud as its source.
func TestMono(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const tone = "0.5*sin(880*PI*t)"
	for _, tt := range []struct {
		name, left, right string
		switches          float64 // seconds between changes; 0 if there are none
		warnings          []string
	}{
		{"the same on both sides", tone, tone, 0, nil},
		{"opposed", tone, "-" + tone, 0, []string{sx.WarningPhase}},
		{"left only", tone, "0", 0, nil},
		{"right only", "0", tone, 0, nil},
		{"alternating", tone + "*lt(mod(t\\,4)\\,2)", tone + "*gte(mod(t\\,4)\\,2)", 2, nil},
		{"opposed from the middle on", tone, tone + "*(lt(t\\,6)-gte(t\\,6))", 6, []string{sx.WarningPhase}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := mediaFrom(t, "aevalsrc="+tt.left+"|"+tt.right+":d=12:s=48000", "in.flac", "-map", "0:a")
			for _, o := range []sx.Options{{Preset: sx.PresetSpeech}, {Mono: true}} {
				levels, result := heard(t, src, o, 48)
				// The first and the last part have the encoder's edges.
				for i, level := range levels[1 : len(levels)-1] {
					if at := float64(i+1)/4 + 0.25; tt.switches > 0 && math.Mod(at, tt.switches) < 0.75 {
						continue // around a change
					}
					if level < 0.4 || level > 0.6 {
						t.Errorf("%+v: level %.3f at %.2f s, want 0.5", o, level, float64(i+1)/4)
					}
				}
				wantWarnings(t, result.Warnings, tt.warnings...)
			}
		})
	}
}

// TestFailureIsPermanent checks that a decoder that fails by itself is not tried again.
func TestFailureIsPermanent(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	path := media(t, "in.flac", "-map", "0:a")
	data := read(t, path)
	for i := 200; i < len(data); i++ {
		data[i] = byte(i * 7)
	}
	_, _, err := convert(t, write(t, path, data), sx.Options{})
	if !sx.CodeOf(err).Permanent() {
		t.Errorf("got %v\n%s", err, causes(err))
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}
