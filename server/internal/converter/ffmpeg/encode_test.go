package ffmpeg_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestSameBytesAsOnePass converts videos with four encoders, and compares the MP3s from
// their Info frames on with those of one ffmpeg.
func TestSameBytesAsOnePass(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	best := 0
	for _, tt := range []struct {
		rate, channels int
		options        sx.Options
		args           string
		single         float64 // passes that the metrics count
	}{
		{48000, 2, sx.Options{}, "-q:a 2", 0},
		{44100, 2, sx.Options{Preset: sx.PresetHigh}, "-b:a 320k", 0},
		{32000, 2, sx.Options{Preset: sx.PresetSmall}, "-b:a 128k", 0},
		{48000, 1, sx.Options{Preset: sx.PresetSpeech}, "-b:a 64k", 0},
		{22050, 1, sx.Options{Preset: sx.PresetSpeech}, "-b:a 64k", 0},
		{48000, 2, sx.Options{Quality: &best}, "-q:a 0", 1},
		{24000, 1, sx.Options{}, "-q:a 2", 1},
	} {
		// Not in parallel, and on a busy machine more than once: a starved decoder leaves
		// nothing to encode ahead.
		t.Run(fmt.Sprint(tt.rate, " ", tt.channels, " ", tt.args), func(t *testing.T) {
			rate := strconv.Itoa(tt.rate)
			src := mediaFrom(t, "anoisesrc=color=pink:seed=1:duration=70:amplitude=0.2:sample_rate="+rate, "in.mkv",
				"-map", "0:a", "-ac", strconv.Itoa(tt.channels), "-c:a", "libopus")
			if tt.rate != 48000 { // Opus always has that
				src = mediaFrom(t, "anoisesrc=color=pink:seed=1:duration=70:amplitude=0.2:sample_rate="+rate, "in.mp4",
					"-map", "0:a", "-ac", strconv.Itoa(tt.channels), "-c:a", "aac")
			}
			pcm, want := filepath.Join(t.TempDir(), "pcm"), filepath.Join(t.TempDir(), "want.mp3")
			run(t, "ffmpeg", "-v", "error", "-i", src, "-map", "0:a", "-f", "f32le", pcm)
			args := []string{"-v", "error", "-f", "f32le", "-ar", rate, "-ac", strconv.Itoa(tt.channels), "-i", pcm, "-id3v2_version", "0", "-c:a", "libmp3lame"}
			run(t, "ffmpeg", append(append(args, strings.Fields(tt.args)...), want)...)
			registry := prometheus.NewRegistry()
			tc := transcoder(t, func(c *ffmpeg.Config) { c.Encoders, c.Registerer = 4, registry })
			proven, conversions, most := 0.0, 0, 8
			if tt.single == 1 {
				most = 1
			}
			for ; proven == 0 && conversions < most; conversions++ {
				got, _, err := convertWith(t.Context(), t, tc, src, tt.options)
				if err != nil {
					t.Fatalf("%v\n%s", err, causes(err))
				}
				if !bytes.Equal(withoutTag(read(t, got)), read(t, want)) {
					t.Error("the bytes differ")
				}
				proven = counted(t, registry, "sx_converter_chunks_total", "proven")
			}
			if (proven == 0) != (tt.single == 1) {
				t.Errorf("%v chunks were encoded ahead and proven in %v conversions", proven, conversions)
			}
			if n := counted(t, registry, "sx_converter_single_passes_total", "settings"); n != tt.single {
				t.Errorf("%v single passes, want %v", n, tt.single)
			}
		})
	}
}

// withoutTag returns an MP3 without its ID3v2 tag.
func withoutTag(mp3 []byte) []byte {
	if !bytes.HasPrefix(mp3, []byte("ID3")) {
		return mp3
	}
	return mp3[10+int(mp3[6])<<21+int(mp3[7])<<14+int(mp3[8])<<7+int(mp3[9]):]
}

// counted returns a counter with the label value.
func counted(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
