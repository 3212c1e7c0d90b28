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
	"github.com/soundextract/sx/server/testkit/sound"
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

var rates = []int{48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}

// TestSinglePass takes what ffmpeg encoded apart, lays it out again, and compares
// all bytes, those of the Info frame included: for all settings, sample rates and
// kinds of sound.
func TestSinglePass(t *testing.T) {
	lame := version(t)
	testkit.Report(t, "mp3: compared with %s and LAME %s", ffmpeg(t), lame)
	seconds := 1
	if testkit.IsLong() {
		seconds = 20
	}
	for _, rate := range rates {
		for channels := 1; channels <= 2; channels++ {
			for _, s := range sound.Signals() {
				t.Run(fmt.Sprint(rate, "/", channels, "/", s.Name), func(t *testing.T) {
					t.Parallel()
					singlePass(t, lame, s, rate, channels, seconds*rate, settings(rate)...)
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
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			for _, samples := range []int{0, 1, 46, 47, rate / 50, 575, 576, 577, 622, 623, 1104, 1105, 1106, 1151, 1152, 1153, 1198, 1199, 2304} {
				singlePass(t, lame, sound.Signals()[0], rate, 2, samples, setting{bitRate: 48}, setting{quality: 2}, setting{quality: 9})
			}
		})
	}
}

// TestLength is TestSinglePass for a recording so long that samples for the table
// of contents are left out twice, and for lengths around the first time.
func TestLength(t *testing.T) {
	lame := version(t)
	for _, frames := range []int{398, 399, 400, 401, 1700} {
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			t.Parallel()
			singlePass(t, lame, find("noise with pauses"), 48000, 1, (frames-1)*1152, setting{bitRate: 32}, setting{quality: 6})
		})
	}
}

// singlePass compares the MP3s of one pass in each setting with those laid out
// again.
func singlePass(t *testing.T, lame string, s sound.Signal, rate, channels, samples int, all ...setting) {
	t.Helper()
	for i, file := range encode(t, s.PCM(rate, channels, samples), rate, channels, all...) {
		checkLayout(t, file, all[i], rate, channels, lame, samples)
	}
}
