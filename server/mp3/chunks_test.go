package mp3_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/testkit/sound"
)

// TestChunks encodes a recording in two chunks that know nothing of each other,
// joins them where their frames are the same, and compares the stream with that of
// one pass.
func TestChunks(t *testing.T) {
	lame := version(t)
	for _, c := range []struct {
		signal   string
		rate     int
		channels int
		setting  setting
	}{
		{"speech", 48000, 2, setting{quality: 2}},
		{"speech", 44100, 1, setting{bitRate: 64}},
		{"chords", 44100, 2, setting{bitRate: 128}},
		{"noise with pauses", 48000, 2, setting{quality: 4}},
		{"noise with pauses", 32000, 2, setting{bitRate: 192}},
		{"fading", 22050, 1, setting{bitRate: 24}},
	} {
		t.Run(fmt.Sprint(c.signal, "/", c.rate, "/", c.channels, "/", c.setting), func(t *testing.T) {
			t.Parallel()
			const (
				border = 49 * 10 // where the second chunk's part begins, in frames; CBR's padding repeats after 49
				lead   = 49 * 5  // what the second chunk has before it
				tail   = 64      // what the first chunk has after it
			)
			samples := 1152
			if c.rate < 32000 {
				samples = 576
			}
			pcm := find(c.signal).PCM(c.rate, c.channels, 2*border*samples)
			frame := 4 * c.channels * samples
			chunk := func(from, to int) []*mp3.Frame {
				_, stream := split(t, encode(t, pcm[from*frame:to*frame], c.rate, c.channels, c.setting)[0])
				return parse(t, stream)
			}
			vbr := c.setting.bitRate == 0
			one, first, second := chunk(0, 2*border), chunk(0, border+tail), chunk(border-lead, 2*border)
			cut, same := 0, 0
			for i := border; i < len(first); i++ {
				same++
				if !first[i].Same(second[i-border+lead], vbr) {
					same = 0
				}
				if same == 16 {
					cut = i
					break
				}
			}
			if cut == 0 {
				t.Fatal("the chunks have no frames in common")
			}
			var out, want bytes.Buffer
			layout, single := mp3.NewLayout(&out, vbr, lame), mp3.NewLayout(&want, vbr, lame)
			for i, f := range append(first[:cut:cut], second[cut-border+lead:]...) {
				reservoir := layout.Reservoir()
				begin, err := layout.Add(f)
				if err != nil {
					t.Fatal(err)
				}
				if begin != f.Begin && (!vbr || f.NearReservoirLimit(min(reservoir, 8*f.Begin))) {
					t.Errorf("frame %d: the reservoir is another one, and may have changed it", i)
				}
				if _, err := single.Add(one[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := layout.Close(); err != nil {
				t.Fatal(err)
			}
			if err := single.Close(); err != nil {
				t.Fatal(err)
			}
			if n := firstDifference(out.Bytes(), want.Bytes()); n >= 0 {
				t.Errorf("they differ from byte %d of %d on", n, want.Len())
			}
		})
	}
}

// TestReservoirInfluence encodes dense chords with and without their beginning, so
// that the two bit reservoirs differ. That makes some frames differ: all of them
// must be near the limit.
func TestReservoirInfluence(t *testing.T) {
	for _, c := range []struct{ rate, samples, quality int }{{48000, 1152, 1}, {24000, 576, 0}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			t.Parallel()
			const (
				frames = 1000
				cut    = 100 // frames that the second one lacks
				settle = 192 // frames in which LAME's other state becomes the same
				end    = 4   // frames that the end of the recording influences
			)
			pcm := find("chords").PCM(c.rate, 2, frames*c.samples)
			encoded := func(pcm []byte) []*mp3.Frame {
				_, stream := split(t, encode(t, pcm, c.rate, 2, setting{quality: c.quality})[0])
				return parse(t, stream)
			}
			one, two := encoded(pcm), encoded(pcm[cut*4*2*c.samples:])
			different := 0
			for i := cut + settle; i < frames-end; i++ {
				f, g := one[i], two[i-cut]
				if f.Same(g, true) {
					continue
				}
				different++
				if !f.NearReservoirLimit(8 * min(f.Begin, g.Begin)) {
					t.Errorf("frame %d differs, with %d bits and main_data_begin %d and %d", i, f.Bits, f.Begin, g.Begin)
				}
			}
			if different == 0 {
				t.Error("no frame differs: the test shows nothing")
			}
		})
	}
}

func find(name string) sound.Signal {
	for _, s := range sound.Signals() {
		if s.Name == name {
			return s
		}
	}
	panic("no signal " + name)
}
