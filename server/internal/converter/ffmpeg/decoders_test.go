package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"testing"

	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestOtherDecoders decodes MP3s that several encoders have made with mpg123 and madplay,
// completely and from random places. Neither has a warning, and places sound the same
// whether they are sought or reached.
func TestOtherDecoders(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe", "mpg123", "madplay")
	const seconds, rate, perFrame = 50, 44100, 1152
	src := mediaFrom(t, "anoisesrc=color=pink:seed=1:amplitude=0.2:sample_rate=44100:duration="+strconv.Itoa(seconds), "in.flac",
		"-map", "0:a", "-ac", "2")
	for _, preset := range sx.Presets() {
		t.Run(string(preset), func(t *testing.T) {
			t.Parallel()
			tc := transcoder(t, func(c *ffmpeg.Config) { c.Encoders = 3 })
			path, _, err := convertWith(t.Context(), t, tc, src, sx.Options{Preset: preset})
			if err != nil {
				t.Fatal(err, causes(err))
			}
			size := 4 // bytes of a sample of all channels
			if preset == sx.PresetSpeech {
				size = 2
			}

			if n := len(quietly(t, "mpg123", "-q", "-s", path)); n != seconds*rate*size {
				t.Errorf("mpg123 decodes %d bytes, want %d", n, seconds*rate*size)
			}
			whole := quietly(t, "mpg123", "-q", "--no-gapless", "-s", path)
			for range 5 {
				// The first frame after a jump lacks what overlaps into it from the one before.
				frame, count := rand.IntN(len(whole)/size/perFrame-20), 8
				got := quietly(t, "mpg123", "-q", "--no-gapless", "-s", "-k", strconv.Itoa(frame), "-n", strconv.Itoa(count), path)
				want := whole[frame*perFrame*size : (frame+count)*perFrame*size]
				if skip := perFrame * size; len(got) != len(want) || differ(got[skip:], want[skip:]) {
					t.Errorf("mpg123 decodes %d other bytes from frame %d on", len(got), frame)
				}
			}

			if n, frames := len(quietly(t, "madplay", "-q", "-o", "raw:-", path)), seconds*rate/perFrame; n < frames*perFrame*size {
				t.Errorf("madplay decodes %d bytes, want at least %d", n, frames*perFrame*size)
			}
			start := rand.IntN(seconds - 5)
			if n := len(quietly(t, "madplay", "-q", "-o", "raw:-", "--start="+strconv.Itoa(start), "--time=3", path)); n < 2*rate*size {
				t.Errorf("madplay decodes %d bytes of 3 s from %d s on", n, start)
			}
		})
	}
}

// quietly runs a decoder that must not write anything to stderr.
func quietly(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%s %q: %v\n%s", name, args, err, &stderr)
	}
	return out
}

// differ reports whether 16-bit samples differ by more than rounding.
func differ(a, b []byte) bool {
	for i := 0; i+1 < len(a); i += 2 {
		x, y := int16(binary.NativeEndian.Uint16(a[i:])), int16(binary.NativeEndian.Uint16(b[i:]))
		if d := int(x) - int(y); d > 2 || d < -2 {
			return true
		}
	}
	return false
}
