package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// tsClip creates a transport stream of 20 s: input 0 is a sound that differs at every moment,
// 48 kHz stereo; 1 is a picture, 25/s; 2 is another sound.
func tsClip(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	line := []string{"-nostdin", "-v", "error", "-y"}
	for len(args) > 0 && args[0] == "-itsoffset" { // for the sound
		line, args = append(line, args[:2]...), args[2:]
	}
	line = append(line,
		"-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+30*t)*t)|0.4*sin(2*PI*(900-20*t)*t)':s=48000:d=20",
		"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=20",
		"-f", "lavfi", "-i", "sine=frequency=700:beep_factor=3:sample_rate=48000:duration=20",
		"-threads", "1", "-preset", "ultrafast",
	)
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append(append(line, args...), path)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tsVideo are arguments for a picture and a sound.
func tsVideo(more ...string) []string {
	return append([]string{"-map", "1:v", "-map", "0:a", "-c:v", "libx264", "-g", "50", "-c:a", "aac"}, more...)
}

// tsTracks are arguments for a picture and three sounds.
func tsTracks() []string {
	return tsVideo("-map", "2:a", "-map", "0:a", "-c:a:0", "aac", "-c:a:1", "ac3", "-c:a:2", "mp2",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:a:2", "language=fra")
}

// The identifiers of ffmpeg's muxer.
const (
	tsPMT     = 0x1000
	tsVideoID = 0x100
	tsAudioID = 0x101
)

func pid(p []byte) int { return int(binary.BigEndian.Uint16(p[1:]) & 0x1FFF) }

func starts(p []byte) bool { return p[1]&0x40 != 0 }

// packets splits a transport stream of packets of 188 bytes.
func packets(b []byte) [][]byte { return slices.Collect(slices.Chunk(bytes.Clone(b), 188)) }

// drop returns the stream without the packets for which f is true.
func drop(b []byte, f func(i int, p []byte) bool) []byte {
	i := -1
	return bytes.Join(slices.DeleteFunc(packets(b), func(p []byte) bool { i++; return f(i, p) }), nil)
}

// inflate inserts packets of picture after each packet of picture that is not the first of
// its picture, up to a size in bytes, so that a file of a few seconds is as large as one of
// minutes.
func inflate(b []byte, size int) []byte {
	ps := packets(b)
	room := 0
	for _, p := range ps {
		if pid(p) == tsVideoID && !starts(p) && p[3]&0x30 == 0x10 {
			room += 188
		}
	}
	n := (size - len(b)) / room
	var out []byte
	for _, p := range ps {
		out = append(out, p...)
		if pid(p) != tsVideoID || starts(p) || p[3]&0x30 != 0x10 {
			continue
		}
		for range n {
			out = append(out, p[:4]...)
			out = append(out, bytes.Repeat([]byte{0x55}, 184)...)
		}
	}
	return out
}

// edited returns the stream with f applied to each section of the program map table,
// without its checksum.
func edited(t *testing.T, b []byte, f func(section []byte) []byte) []byte {
	t.Helper()
	ps := packets(b)
	for _, p := range ps {
		if pid(p) != tsPMT || !starts(p) {
			continue
		}
		n := 3 + int(binary.BigEndian.Uint16(p[6:])&0xFFF)
		section := f(bytes.Clone(p[5 : 5+n-4]))
		binary.BigEndian.PutUint16(section[1:], 0xB000|uint16(len(section)+1))
		section = binary.BigEndian.AppendUint32(section, crc(section))
		if len(section) > 183 {
			t.Fatal("the section is too long")
		}
		copy(p[5:], append(section, bytes.Repeat([]byte{0xFF}, 183-len(section))...))
	}
	return bytes.Join(ps, nil)
}

func crc(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		for i := range 8 {
			top := crc>>31 ^ uint32(c>>(7-i)&1)
			crc = crc<<1 ^ top*0x04C11DB7
		}
	}
	return crc
}

// retyped changes the type of the sound in the tables.
func retyped(t *testing.T, b []byte, from, to byte) []byte {
	t.Helper()
	return edited(t, b, func(section []byte) []byte {
		i := bytes.Index(section, []byte{from, 0xE0 | tsAudioID>>8, tsAudioID & 0xFF})
		if i < 0 {
			t.Fatal("there is no such stream")
		}
		section[i] = to
		return section
	})
}

// moved gives the packets of one identifier another one, in the tables too.
func moved(t *testing.T, b []byte, from, to int) []byte {
	t.Helper()
	b = edited(t, b, func(section []byte) []byte {
		old := binary.BigEndian.AppendUint16(nil, uint16(0xE000|from))
		return bytes.ReplaceAll(section, old, binary.BigEndian.AppendUint16(nil, uint16(0xE000|to)))
	})
	ps := packets(b)
	for _, p := range ps {
		if pid(p) == from {
			p[1] = p[1]&0xE0 | byte(to>>8)
			p[2] = byte(to)
		}
	}
	return bytes.Join(ps, nil)
}

// withStream adds a stream without sound to the tables, and a PES packet of it now and then.
func withStream(t *testing.T, b []byte, coding byte, descriptors []byte) []byte {
	t.Helper()
	const id = 0x130
	b = edited(t, b, func(section []byte) []byte {
		section = append(section, coding, 0xE0|id>>8, id&0xFF, 0xF0, byte(len(descriptors)))
		return append(section, descriptors...)
	})
	var out []byte
	for i, p := range packets(b) {
		out = append(out, p...)
		if i%200 == 100 {
			pes := []byte{tsSyncByte, 0x40 | id>>8, id & 0xFF, 0x10 | byte(i/200&15), 0, 0, 1, 0xBD, 0, 178, 0x80, 0, 0}
			out = append(append(out, pes...), bytes.Repeat([]byte{0xFF}, 188-len(pes))...)
		}
	}
	return out
}

const tsSyncByte = 0x47

// units puts n bytes after each packet.
func units(b []byte, n int) []byte {
	var out []byte
	for _, p := range packets(b) {
		out = append(append(out, p...), make([]byte, n)...)
	}
	return out
}

// damaged overwrites, inserts and removes bytes at some places.
func damaged(b []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the same for each run
	out := bytes.Clone(b)
	for range 12 {
		at, n := r.IntN(len(out)-2000), 1+r.IntN(600)
		switch r.IntN(3) {
		case 0:
			for i := range n {
				out[at+i] = byte(r.Uint32())
			}
		case 1:
			out = slices.Insert(out, at, bytes.Repeat([]byte{byte(r.Uint32())}, n)...)
		case 2:
			out = slices.Delete(out, at, at+n)
		}
	}
	return out
}

// tsVariant is a transport stream whose MP3 must be the same from the audio alone.
type tsVariant struct {
	name    string
	make    func(t *testing.T) []byte
	options sx.Options
	whole   string // see variant
	long    bool   // only with SX_TEST_LONG
}

func clip(name string, args ...string) func(t *testing.T) []byte {
	return func(t *testing.T) []byte { return tsClip(t, name, args...) }
}

func change(name string, f func(t *testing.T, b []byte) []byte, args ...string) func(t *testing.T) []byte {
	return func(t *testing.T) []byte { return f(t, tsClip(t, name, args...)) }
}

// join returns the first clip followed by the second, whose clock continues.
func join(t *testing.T, first, second []string, edit func([]byte) []byte) []byte {
	t.Helper()
	a := tsClip(t, "a.ts", first...)
	b := tsClip(t, "b.ts", append(second, "-output_ts_offset", "20")...)
	if edit != nil {
		b = edit(b)
	}
	return append(inflate(a, 50_000_000), inflate(b, 50_000_000)...)
}

var tsVariants = []tsVariant{
	{name: "AAC", make: clip("a.ts", tsVideo()...)},
	{name: "AAC LATM", make: clip("a.ts", tsVideo("-mpegts_flags", "latm")...)},
	{name: "MP2, MPEG-2 pictures", make: clip("a.ts", "-map", "1:v", "-map", "0:a", "-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2")},
	{name: "MP3", make: clip("a.ts", tsVideo("-c:a", "libmp3lame")...)},
	{name: "AC-3", make: clip("a.ts", tsVideo("-c:a", "ac3")...)},
	{name: "E-AC-3", long: true, make: clip("a.ts", tsVideo("-c:a", "eac3")...)},
	{name: "Opus", make: clip("a.ts", tsVideo("-c:a", "libopus")...)},
	{name: "5.1", long: true, make: clip("a.ts", tsVideo("-c:a", "ac3", "-ac", "6")...)},
	{name: "H.265 pictures", long: true, make: clip("a.ts", "-map", "1:v", "-map", "0:a", "-c:v", "libx265", "-x265-params", "log-level=none")},
	{name: "pictures out of order", make: clip("a.ts", tsVideo("-bf", "3", "-b_strategy", "0", "-x264-params", "open-gop=1")...)},
	{name: "three tracks", make: clip("a.ts", tsTracks()...)},
	{name: "track 2", make: clip("a.ts", tsTracks()...), options: sx.Options{Track: "2"}},
	{name: "track fr", long: true, make: clip("a.ts", tsTracks()...), options: sx.Options{Track: "fr"}},
	{name: "no such track", long: true, make: clip("a.ts", tsTracks()...), options: sx.Options{Track: "4"}},
	{name: "track 2 with lost packets", options: sx.Options{Track: "2"}, make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		return drop(b, func(i int, _ []byte) bool { return i%97 == 96 })
	}, tsTracks()...)},
	{name: "M2TS", make: clip("a.m2ts", tsVideo("-c:a", "ac3")...)},
	{name: "packets of 204 bytes", make: change("a.ts", func(_ *testing.T, b []byte) []byte { return units(b, 16) }, tsVideo()...)},
	{name: "wrap", make: clip("a.ts", tsVideo("-output_ts_offset", "95433")...)},
	{name: "wrap at the beginning", long: true, make: clip("a.ts", tsVideo("-output_ts_offset", "95440.5")...)},
	{name: "offset of 10 h", make: clip("a.ts", tsVideo("-output_ts_offset", "36000")...)},
	{name: "constant rate with empty packets", make: clip("a.ts", tsVideo("-muxrate", "3M")...)},
	{name: "speech", long: true, make: clip("a.ts", tsVideo()...), options: sx.Options{Preset: sx.PresetSpeech}},
	{name: "sound 2 s late", make: clip("a.ts", append([]string{"-itsoffset", "2"}, tsVideo()...)...)},
	{name: "sound 9 s late", long: true, make: clip("a.ts", append([]string{"-itsoffset", "9"}, tsVideo()...)...)},
	{name: "sound 2 s early", make: clip("a.ts", append([]string{"-itsoffset", "-2"}, tsVideo()...)...)},
	{name: "sound that ends early", make: clip("a.ts", tsVideo("-af", "atrim=end=11")...)},
	{name: "lost packets", make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		return drop(b, func(i int, _ []byte) bool { return i%97 == 96 })
	}, tsVideo()...)},
	{name: "lost second", long: true, make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		return drop(b, func(i int, _ []byte) bool { return i > 5000 && i < 5400 })
	}, tsVideo()...)},
	{name: "cut at both ends", make: change("a.ts", func(_ *testing.T, b []byte) []byte { return b[100 : len(b)-50] }, tsVideo()...)},
	{name: "joined, the clock goes back", make: change("a.ts", func(_ *testing.T, b []byte) []byte { return append(b, b...) }, tsVideo()...)},
	{name: "private data", make: change("a.ts", func(t *testing.T, b []byte) []byte { return retyped(t, b, 0x0F, 0x06) }, tsVideo()...)},
	{name: "teletext", make: change("a.ts", func(t *testing.T, b []byte) []byte {
		return withStream(t, b, 0x06, []byte{0x56, 5, 'e', 'n', 'g', 0x08, 0})
	}, tsVideo()...)},
	{name: "subtitles", long: true, make: change("a.ts", func(t *testing.T, b []byte) []byte {
		return withStream(t, b, 0x06, []byte{0x59, 8, 'e', 'n', 'g', 0x10, 0, 1, 0, 1})
	}, tsVideo()...)},
	{name: "two programs", make: clip("a.ts", "-map", "1:v", "-map", "0:a", "-map", "1:v", "-map", "2:a", "-c:v", "libx264",
		"-program", "title=one:st=0:st=1", "-program", "title=two:st=2:st=3")},
	{name: "tables only at the beginning", make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		return drop(b, func(i int, p []byte) bool { return i > 10 && (pid(p) == 0 || pid(p) == tsPMT) })
	}, tsVideo()...)},

	// As much as ffmpeg reads to find streams is kept at the beginning, at the changes and at
	// the end; so these files are larger.
	{name: "sound 17 s late", make: func(t *testing.T) []byte {
		late := tsClip(t, "a.ts", append([]string{"-itsoffset", "17"}, tsVideo()...)...)
		return append(inflate(late, 28_000_000), inflate(tsClip(t, "b.ts", tsVideo("-output_ts_offset", "20")...), 50_000_000)...)
	}},
	{name: "AC-3 becomes AAC", long: true, make: func(t *testing.T) []byte { return join(t, tsVideo("-c:a", "ac3"), tsVideo(), nil) }},
	{name: "another identifier", make: func(t *testing.T) []byte {
		return join(t, tsVideo(), tsVideo(), func(b []byte) []byte { return moved(t, b, tsAudioID, 0x111) })
	}},
	{name: "track de, then one without a language", options: sx.Options{Track: "de"}, make: func(t *testing.T) []byte {
		return join(t, tsTracks(), tsVideo(), func(b []byte) []byte { return moved(t, b, tsAudioID, 0x111) })
	}},
	{name: "one without a language, then another", long: true, options: sx.Options{Track: "1"}, make: func(t *testing.T) []byte {
		return join(t, tsVideo(), tsVideo(), func(b []byte) []byte { return moved(t, b, tsAudioID, 0x111) })
	}},
	{name: "stereo becomes 5.1", long: true, make: func(t *testing.T) []byte {
		return join(t, tsVideo("-c:a", "ac3"), tsVideo("-c:a", "ac3", "-ac", "6"), nil)
	}},

	// Sent as a whole.
	{name: "the case audio-pid-changes", whole: "almost only audio", make: func(t *testing.T) []byte {
		b := join(t, tsVideo(), tsVideo(), func(b []byte) []byte { return moved(t, b, tsAudioID, 0x111) })
		return drop(b, func(_ int, p []byte) bool {
			return pid(p) == tsVideoID && bytes.Equal(p[4:], bytes.Repeat([]byte{0x55}, 184))
		})
	}},
	{name: "encrypted", whole: "encrypted", make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		ps := packets(b)
		for _, p := range ps {
			if pid(p) == tsAudioID {
				p[3] |= 0x80
			}
		}
		return bytes.Join(ps, nil)
	}, tsVideo()...)},
	{name: "a long pause", whole: "nine minutes", make: func(t *testing.T) []byte {
		return append(tsClip(t, "a.ts", tsVideo()...), tsClip(t, "b.ts", tsVideo("-output_ts_offset", "1000")...)...)
	}},
	{name: "only sound", whole: "no pictures", make: clip("a.ts", "-map", "0:a")},
	{name: "no tables", whole: "no pictures", make: change("a.ts", func(_ *testing.T, b []byte) []byte {
		return drop(b, func(_ int, p []byte) bool { return pid(p) == 0 || pid(p) == tsPMT })
	}, tsVideo()...)},
}

func TestTS(t *testing.T) {
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, v := range tsVariants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			if v.long {
				testkit.Long(t)
			}
			compare(t, tsFile(t, v.make(t)), v.options, v.whole)
		})
	}
}

func TestTSDamaged(t *testing.T) {
	testkit.Need(t, "ffmpeg", "ffprobe")
	clips := [][]byte{tsClip(t, "a.ts", tsVideo()...), tsClip(t, "a.m2ts", tsVideo("-c:a", "ac3")...)}
	seeds := uint64(6)
	if testkit.IsLong() {
		seeds = 200
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			compare(t, tsFile(t, damaged(clips[seed%2], seed)), sx.Options{}, "")
		})
	}
}

func tsFile(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.ts")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTSTrack tests that the other tracks are left out.
func TestTSTrack(t *testing.T) {
	testkit.Need(t, "ffmpeg")
	b := tsClip(t, "a.ts", tsTracks()...)
	size := func(track string) int64 {
		f, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{Track: track})
		if err != nil {
			t.Fatal(err)
		}
		return f.Size()
	}
	if all, one := size(""), size("2"); one > all/2 {
		t.Errorf("%d bytes for one track, %d for all", one, all)
	}
	if size("2") != size("de") || size("5") != size("") {
		t.Error("the tracks were not chosen as the converter does")
	}
}

// repeated is a file n times one after another.
type repeated struct {
	b []byte
	n int64
}

func (r repeated) size() int64 { return r.n * int64(len(r.b)) }

// ReadAt implements io.ReaderAt.
func (r repeated) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off+int64(n) < r.size() {
		n += copy(p[n:], r.b[(off+int64(n))%int64(len(r.b)):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestTSHours tests how many bytes an hour of 4 Mbit/s is, and how much memory ten hours
// need.
func TestTSHours(t *testing.T) {
	testkit.Need(t, "ffmpeg")
	clip := tsClip(t, "a.ts", tsVideo("-b:a", "128k")...)
	var sound int64
	for _, p := range packets(clip) {
		if pid(p) != tsAudioID {
			continue
		}
		at := 4
		if p[3]&0x20 != 0 {
			at += 1 + int(p[4])
		}
		if starts(p) {
			at += 9 + int(p[at+8])
		}
		sound += int64(188 - at)
	}
	for _, test := range []struct {
		name          string
		hours, rate   int // bit/s
		share, memory float64
	}{
		{"1 h of 4 Mbit/s", 1, 4_000_000, 1.15, 8},
		{"10 h of 1 Mbit/s", 10, 1_000_000, 1.15, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := repeated{inflate(clip, 20*test.rate/8), int64(test.hours) * 3600 / 20}
			before := heap()
			f, err := audioonly.Open(src, src.size(), audioonly.Options{})
			if err != nil {
				t.Fatal(err)
			}
			memory := float64(heap()-before) / (1 << 20)
			share := float64(f.Size()) / float64(sound*src.n)
			t.Logf("%d MB of %d MB: %.3f of the audio's bytes; %.1f MiB of memory", f.Size()/1e6, src.size()/1e6, share, memory)
			if share > test.share || memory > test.memory {
				t.Errorf("at most %v and %v MiB are allowed", test.share, test.memory)
			}
			runtime.KeepAlive(f)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below the limit
}
