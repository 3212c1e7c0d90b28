package mp3_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/testkit"
)

// setting is how an encoder is asked to encode.
type setting struct {
	bitRate int // kbit/s, 0 for VBR
	quality int // of VBR
}

func (s setting) String() string {
	if s.bitRate > 0 {
		return fmt.Sprintf("%d kbit/s", s.bitRate)
	}
	return fmt.Sprintf("q %d", s.quality)
}

func (s setting) args() []string {
	if s.bitRate > 0 {
		return []string{"-b:a", fmt.Sprintf("%dk", s.bitRate)}
	}
	return []string{"-q:a", fmt.Sprint(s.quality)}
}

// settings returns all settings for a sample rate in Hz.
func settings(rate int) []setting {
	bitRates := []int{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	if rate >= 32000 {
		bitRates = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	}
	var all []setting
	for _, b := range bitRates {
		all = append(all, setting{bitRate: b})
	}
	for q := range 10 {
		all = append(all, setting{quality: q})
	}
	return all
}

// envFFmpeg names another ffmpeg than the one on PATH.
const envFFmpeg = "SX_FFMPEG"

// ffmpeg returns the ffmpeg to compare with.
func ffmpeg(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv(envFFmpeg); path != "" {
		testkit.SkipShort(tb)
		return path
	}
	testkit.Need(tb, "ffmpeg")
	return "ffmpeg"
}

// encode returns the MP3s of one pass for each setting.
func encode(tb testing.TB, pcm []byte, rate, channels int, all ...setting) [][]byte {
	tb.Helper()
	dir := tb.TempDir()
	args := []string{"-v", "error", "-f", "f32le", "-ar", fmt.Sprint(rate), "-ac", fmt.Sprint(channels), "-i", "-"}
	path := func(i int) string { return filepath.Join(dir, fmt.Sprint(i, ".mp3")) }
	for i, s := range all {
		args = append(args, "-map_metadata", "-1", "-id3v2_version", "0", "-c:a", "libmp3lame")
		args = append(append(args, s.args()...), path(i))
	}
	cmd := exec.CommandContext(tb.Context(), ffmpeg(tb), args...)
	cmd.Stdin = bytes.NewReader(pcm)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	mp3s := make([][]byte, len(all))
	for i := range all {
		var err error
		if mp3s[i], err = os.ReadFile(path(i)); err != nil {
			tb.Fatal(err)
		}
	}
	return mp3s
}

// version returns the version in the stuffing of the encoder's LAME.
func version(tb testing.TB) string {
	tb.Helper()
	_, frames := split(tb, encode(tb, make([]byte, 4*4800), 48000, 1, setting{bitRate: 320})[0])
	v, err := mp3.StuffingVersion(bytes.NewReader(frames))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// split separates an MP3 into its Info frame and the frames after it.
func split(tb testing.TB, file []byte) (*mp3.InfoTag, []byte) {
	tb.Helper()
	info, err := mp3.ReadInfo(file)
	if err != nil {
		tb.Fatal(err)
	}
	return info, file[info.Size():]
}

var rates = []int{48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}

// TestSinglePass takes what ffmpeg encoded apart, lays it out again, and compares
// all bytes, those of the Info frame included.
func TestSinglePass(t *testing.T) {
	lame := version(t)
	testkit.Report(t, "mp3: the stuffing of %s names LAME %s", ffmpeg(t), lame)
	seconds := 2.0
	if testkit.IsLong() {
		seconds = 20
	}
	for _, rate := range rates {
		for channels := 1; channels <= 2; channels++ {
			for _, s := range signals {
				t.Run(fmt.Sprint(rate, "/", channels, "/", s.name), func(t *testing.T) {
					t.Parallel()
					singlePass(t, lame, s, rate, channels, int(seconds*float64(rate)))
				})
			}
		}
	}
}

// TestShort is TestSinglePass for lengths about which the encoder, ffmpeg or the
// muxer may disagree: shorter than a frame, and at the limits of one.
func TestShort(t *testing.T) {
	lame := version(t)
	for _, rate := range []int{48000, 44100, 24000, 8000} {
		for _, samples := range []int{1, 46, 47, rate / 50, 575, 576, 577, 622, 623, 1104, 1105, 1106, 1151, 1152, 1153, 1198, 1199, 2304} {
			t.Run(fmt.Sprint(rate, "/", samples), func(t *testing.T) {
				t.Parallel()
				singlePass(t, lame, signals[0], rate, 2, samples)
			})
		}
	}
}

func singlePass(t *testing.T, lame string, s signal, rate, channels, samples int) {
	all := settings(rate)
	for i, file := range encode(t, s.pcm(rate, channels, samples), rate, channels, all...) {
		info, frames := split(t, file)
		again, err := layOut(frames, all[i].bitRate, lame, info.Encoder, int64(samples))
		if err != nil {
			t.Fatalf("%v: %v", all[i], err)
		}
		if n := firstDifference(again, file); n >= 0 {
			t.Fatalf("%v: %d bytes, want %d; they differ at byte %d", all[i], len(again), len(file), n)
		}
		if n := info.Length(); samples%info.Samples() == 0 && n != int64(samples) {
			t.Fatalf("%v: its Info frame says %d samples, want %d", all[i], n, samples)
		}
	}
}

// layOut takes a stream apart and returns it laid out again, with its Info frame.
func layOut(frames []byte, bitRate int, lame, encoder string, samples int64) ([]byte, error) {
	r := mp3.NewReader(bytes.NewReader(frames))
	var out bytes.Buffer
	var layout *mp3.Layout
	var info *mp3.Info
	for {
		f, err := r.Next()
		if err != nil && layout == nil {
			return nil, err
		}
		if layout == nil {
			if info, err = mp3.NewInfo(encoder, f.SampleRate, f.Channels, bitRate); err != nil {
				return nil, err
			}
			layout = mp3.NewLayout(&out, bitRate == 0, lame)
		}
		if f == nil {
			break
		}
		begin, err := layout.Add(f)
		if err != nil {
			return nil, err
		}
		if begin != f.Begin {
			return nil, fmt.Errorf("main_data_begin is %d, want %d", begin, f.Begin)
		}
	}
	if err := layout.Close(); err != nil {
		return nil, err
	}
	if _, err := info.Write(out.Bytes()); err != nil {
		return nil, err
	}
	head, err := info.Bytes(samples)
	return append(head, out.Bytes()...), err
}

// firstDifference returns the offset of the first byte that differs, or -1.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}
