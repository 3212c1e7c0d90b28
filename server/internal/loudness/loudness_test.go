package loudness_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/soundextract/sx/server/internal/loudness"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/sound"
)

// tone returns stereo PCM of a sine of 1 kHz. A part is a level in dB relative to full
// scale, and a length in seconds.
func tone(rate int, parts ...[2]float64) []byte {
	var pcm []byte
	for _, p := range parts {
		a := math.Pow(10, p[0]/20)
		for i := range int(p[1] * float64(rate)) {
			v := math.Float32bits(float32(a * math.Sin(2*math.Pi*1000*float64(i)/float64(rate))))
			pcm = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(pcm, v), v)
		}
	}
	return pcm
}

func measure(t *testing.T, pcm []byte, rate, channels int) *loudness.Meter {
	t.Helper()
	m := loudness.NewMeter(rate, channels)
	for len(pcm) > 0 { // in pieces that divide samples
		n := min(len(pcm), 4099)
		if _, err := m.Write(pcm[:n]); err != nil {
			t.Fatal(err)
		}
		pcm = pcm[n:]
	}
	return m
}

// TestIntegrated measures the signals of EBU Tech 3341 (table 1) that need no files.
func TestIntegrated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		parts [][2]float64
		want  float64
	}{
		"1": {[][2]float64{{-23, 20}}, -23},
		"2": {[][2]float64{{-33, 20}}, -33},
		"3": {[][2]float64{{-36, 10}, {-23, 60}, {-36, 10}}, -23},
		"4": {[][2]float64{{-72, 10}, {-36, 10}, {-23, 60}, {-36, 10}, {-72, 10}}, -23},
		"5": {[][2]float64{{-26, 20}, {-20, 20.1}, {-26, 20}}, -23},
	} {
		rates := []int{48000}
		if len(tt.parts) == 1 { // the gates do not depend on the rate
			rates = append(rates, 44100, 32000)
		}
		for _, rate := range rates {
			if got := measure(t, tone(rate, tt.parts...), rate, 2).Integrated(); math.Abs(got-tt.want) > 0.1 {
				t.Errorf("%s at %d Hz: %.2f LUFS, want %g", name, rate, got, tt.want)
			}
		}
	}
	for name, pcm := range map[string][]byte{"silence": make([]byte, 8*48000), "nothing": nil, "0.3 s": tone(48000, [2]float64{-20, 0.3})} {
		if got := measure(t, pcm, 48000, 2).Integrated(); !math.IsInf(got, -1) {
			t.Errorf("%s: %g LUFS, want -Inf", name, got)
		}
	}
}

// ebur128 measures with ffmpeg.
func ebur128(t *testing.T, pcm []byte, rate, channels int) (integrated, peak float64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-hide_banner", "-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels),
		"-i", "pipe:0", "-filter:a", "ebur128=peak=true:framelog=verbose", "-f", "null", "-")
	cmd.Stdin = bytes.NewReader(pcm)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	find := func(pattern string) float64 {
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", pattern, out)
		}
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return find(`I: +(-?[0-9.]+) LUFS`), find(`Peak: +(-?[0-9.]+) dBFS`)
}

// TestMeterAgrees compares with ffmpeg, which is an independent meter.
func TestMeterAgrees(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for i, s := range sound.Signals() {
		if s.Name == "silence" {
			continue
		}
		rate, channels := []int{48000, 44100}[i%2], 2
		pcm := s.PCM(rate, channels, 4*rate)
		m := measure(t, pcm, rate, channels)
		integrated, peak := ebur128(t, pcm, rate, channels)
		if math.Abs(m.Integrated()-integrated) > 0.1 {
			t.Errorf("%s: %.2f LUFS, want %.2f", s.Name, m.Integrated(), integrated)
		}
		if got := 20 * math.Log10(m.TruePeak()); math.Abs(got-peak) > 0.3 {
			t.Errorf("%s: true peak %.2f dB, want %.2f", s.Name, got, peak)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	const rate = 48000
	for _, s := range sound.Signals() {
		for _, gain := range []float64{1, 4, 32} {
			pcm := s.PCM(rate, 2, 2*rate)
			var out bytes.Buffer
			l := loudness.NewLimiter(&out, rate, 2, gain, 0.5)
			for rest := pcm; len(rest) > 0; {
				n := min(len(rest), 10007)
				if _, err := l.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			if out.Len() != len(pcm) {
				t.Fatalf("%s: %d bytes, want %d", s.Name, out.Len(), len(pcm))
			}
			peak := measure(t, pcm, rate, 2).TruePeak()
			if peak*gain < 0.5 {
				if i := firstChange(pcm, out.Bytes(), float32(gain)); i >= 0 {
					t.Errorf("%s, %g times: sample %d was changed although no peak is too high", s.Name, gain, i)
				}
			} else if _, got := ebur128(t, out.Bytes(), rate, 2); got > 20*math.Log10(0.5)+0.3 {
				t.Errorf("%s, %g times: true peak %.2f dB, want at most -6", s.Name, gain, got)
			}
		}
	}
}

// firstChange returns the first sample that is not the source's times the gain.
func firstChange(pcm, out []byte, gain float32) int {
	for i := 0; i < len(pcm); i += 4 {
		want := math.Float32frombits(binary.LittleEndian.Uint32(pcm[i:])) * gain
		if math.Float32frombits(binary.LittleEndian.Uint32(out[i:])) != want {
			return i / 4
		}
	}
	return -1
}

// TestNotFinite writes values that no recording has, but a file may.
func TestNotFinite(t *testing.T) {
	t.Parallel()
	pcm := tone(48000, [2]float64{-23, 20})
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		binary.LittleEndian.PutUint32(pcm[80_000*(i+1):], math.Float32bits(float32(v)))
	}
	m := measure(t, pcm, 48000, 2)
	if got := m.Integrated(); math.Abs(got+23) > 0.1 {
		t.Errorf("%g LUFS, want -23", got)
	}
	if got := 20 * math.Log10(m.TruePeak()); math.Abs(got+23) > 3 {
		t.Errorf("true peak %g dB, want about -23", got)
	}
}
