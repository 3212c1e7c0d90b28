package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestMP4Of6GiB opens a file with 6 GiB of zeros in front of its samples, as if
// pictures were there: its offsets have 64 bits, and so has the size of the media data.
func TestMP4Of6GiB(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	path := makeMedia(t, "in.mp4", film()...)
	small, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const more = 6 << 30
	mdat, moov := boxAt(t, small, "mdat"), boxAt(t, small, "moov")
	for _, track := range []string{"trak#0", "trak#1"} {
		small = wideOffsets(t, small, track, more+8)
	}
	index := small[moov:]
	head := slices.Concat(small[:mdat], []byte("\x00\x00\x00\x01mdat"))
	head = binary.BigEndian.AppendUint64(head, uint64(moov-mdat+8+more))

	large := filepath.Join(t.TempDir(), "large.mp4")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test reads it
	for at, b := range map[int64][]byte{
		0: head, int64(mdat) + 16 + more: small[mdat+8 : moov], int64(moov) + 8 + more: index,
	} {
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	audio := open(t, f, sx.Options{})
	if audio.Size() > int64(len(small)) {
		t.Errorf("%d bytes of audio", audio.Size())
	}
	compare(t, large, sx.Options{}, "")
}

// open opens the audio of a file.
func open(t *testing.T, f *os.File, o sx.Options) *audioonly.File {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	audio, err := audioonly.Open(f, info.Size(), audioonly.Options{Track: o.Track})
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

// wideOffsets replaces a track's table of chunk offsets by one of 64 bits, and adds to the
// offsets.
func wideOffsets(t *testing.T, b []byte, track string, add uint64) []byte {
	t.Helper()
	path := []string{"moov", track, "mdia", "minf", "stbl", "stco"}
	at := boxAt(t, b, path...)
	n := binary.BigEndian.Uint32(b[at+12:])
	co64 := slices.Concat([]byte("\x00\x00\x00\x00co64"), b[at+8:at+16])
	for i := range n {
		co64 = binary.BigEndian.AppendUint64(co64, add+uint64(binary.BigEndian.Uint32(b[at+16+4*int(i):])))
	}
	binary.BigEndian.PutUint32(co64, uint32(len(co64)))
	return replaceBox(t, b, co64, path...)
}

// mp4Box and words write boxes.
func mp4Box(kind string, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))
	return slices.Concat(b, []byte(kind), body)
}

func words(v ...int) []byte {
	var b []byte
	for _, v := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// mp4Sound and mp4Pictures are tracks of a test's MP4.
var (
	mp4Pictures = mp4TestTrack{id: 1, scale: 25, each: 1, perSecond: 25, handler: "vide", entry: "mp4v", entrySize: 78}
	mp4Sound    = mp4TestTrack{id: 2, scale: 48128, each: 1024, perSecond: 47, handler: "soun", entry: "mp4a", entrySize: 28}
)

type mp4TestTrack struct {
	id             int
	scale          int // of its time
	each           int // duration of a sample
	perSecond      int
	handler, entry string
	entrySize      int
}

// trak returns the index of the track, with a description and the other tables of its samples.
func (t mp4TestTrack) trak(seconds int, tables ...[]byte) []byte {
	description := mp4Box("stsd", words(0, 1), mp4Box(t.entry, make([]byte, t.entrySize)))
	return mp4Box("trak",
		mp4Box("tkhd", words(3, 0, 0, t.id, 0, seconds*1000), make([]byte, 60)),
		mp4Box("mdia",
			mp4Box("mdhd", words(0, 0, 0, t.scale, seconds*t.perSecond*t.each, 0x55C40000)),
			mp4Box("hdlr", words(0, 0), []byte(t.handler), make([]byte, 13)),
			mp4Box("minf",
				mp4Box("dinf", mp4Box("dref", words(0, 1), mp4Box("url ", words(1)))),
				mp4Box("stbl", append([][]byte{description}, tables...)...))))
}

// mp4Head returns the boxes with which a test's MP4 begins.
func mp4Head() []byte { return mp4Box("ftyp", []byte("isom"), words(0), []byte("isommp42")) }

func movieHeader(seconds int) []byte {
	return mp4Box("mvhd", words(0, 0, 0, 1000, seconds*1000), make([]byte, 80))
}

// longMovie is the index of a movie with a picture track and an audio track as long as the
// given hours, both in seconds of 25 pictures and 47 packets, over data that is all zeros.
// It is built here because ffmpeg would take minutes.
func longMovie(hours, bytesPerSecond int) (r io.ReaderAt, size int64) {
	seconds := hours * 3600
	const sample, mdat = 340, 24
	tables := func(t mp4TestTrack, sizes []byte, first int) []byte {
		count := seconds * t.perSecond
		offsets := words(0, seconds)
		for s := range seconds {
			offsets = binary.BigEndian.AppendUint64(offsets, uint64(mdat+16+s*(bytesPerSecond+mp4Sound.perSecond*sample)+first))
		}
		return t.trak(seconds, mp4Box("stts", words(0, 1, count, t.each)), mp4Box("stsc", words(0, 1, 1, t.perSecond, 1)),
			mp4Box("stsz", sizes), mp4Box("co64", offsets))
	}
	samples := seconds * mp4Sound.perSecond
	sizes := slices.Concat(words(0, 0, samples), slices.Repeat(words(sample), samples))
	moov := mp4Box("moov", movieHeader(seconds),
		tables(mp4Pictures, words(0, bytesPerSecond/mp4Pictures.perSecond, seconds*mp4Pictures.perSecond), 0),
		tables(mp4Sound, sizes, bytesPerSecond))
	data := int64(seconds) * int64(bytesPerSecond+mp4Sound.perSecond*sample)
	head := slices.Concat(mp4Head(), []byte("\x00\x00\x00\x01mdat"))
	head = binary.BigEndian.AppendUint64(head, uint64(data+16))
	return &sparse{head: head, tail: moov, gap: data}, int64(len(head)) + data + int64(len(moov))
}

// sparse is a file with zeros between a head and a tail.
type sparse struct {
	head, tail []byte
	gap        int64
	reads      int
}

// ReadAt implements io.ReaderAt.
func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	s.reads++
	clear(p)
	if off < int64(len(s.head)) {
		copy(p, s.head[off:])
	}
	tail := int64(len(s.head)) + s.gap
	if end := off + int64(len(p)); end > tail {
		from := max(0, tail-off)
		n := copy(p[from:], s.tail[max(0, off-tail):])
		if int(from)+n < len(p) {
			return int(from) + n, io.EOF
		}
	}
	return len(p), nil
}

// 10 h of 4 Mbit/s are 18 GB, with an index of 7 MB for the audio alone.
func TestMP4Of10Hours(t *testing.T) {
	r, size := longMovie(10, 500_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	f, err := audioonly.Open(r, size, audioonly.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d bytes in %s, %d reads", f.Size(), size, time.Since(start), r.(*sparse).reads)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("allocates %d MiB in total", got>>20)
	}
	audio := int64(10 * 3600 * 47 * 340)
	if f.Size() < audio || f.Size() > audio*105/100 {
		t.Errorf("%d bytes for %d of audio", f.Size(), audio)
	}
	// The index comes first, and what it refers to exists.
	head := make([]byte, 64)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Contains(head, []byte("moov")) {
		t.Errorf("begins with %q, %v", head, err)
	}
	if n, err := f.ReadAt(head, f.Size()-10); n != 10 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
}
