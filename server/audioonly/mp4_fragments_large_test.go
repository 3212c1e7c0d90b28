package audioonly_test

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
)

// longFragments returns an MP4 in which each second of the pictures and of the sound is a
// fragment of its own, as streams are recorded.
func longFragments(seconds int64, pictureBytes, audioBytes int) *periodic {
	const dataOffset, sizes, baseIsMoof = 0x1, 0x200, 0x20000
	p := &periodic{count: seconds}
	var traks, defaults [][]byte
	for _, t := range []struct {
		mp4TestTrack
		sample int // bytes
	}{{mp4Pictures, pictureBytes}, {mp4Sound, audioBytes}} {
		traks = append(traks, t.trak(0, mp4Box("stts", words(0, 0)), mp4Box("stsc", words(0, 0)), mp4Box("stsz", words(0, 0, 0)), mp4Box("stco", words(0, 0))))
		defaults = append(defaults, mp4Box("trex", words(0, t.id, 1, t.each, 0, 0)))
		moof := func(size int) []byte {
			return mp4Box("moof", mp4Box("mfhd", words(0, 1)), mp4Box("traf",
				mp4Box("tfhd", words(baseIsMoof, t.id)),
				mp4Box("tfdt", words(1<<24, 0, 0)),
				mp4Box("trun", words(dataOffset|sizes, t.perSecond, size+8), slices.Repeat(words(t.sample), t.perSecond))))
		}
		p.unit = append(p.unit, moof(len(moof(0)))...)
		time := bytes.LastIndex(p.unit, []byte("tfdt")) + 8
		p.stamps = append(p.stamps, stamp{time, uint64(t.perSecond * t.each)}) //nolint:gosec // not negative
		p.unit = append(p.unit, mp4Box("mdat", make([]byte, t.perSecond*t.sample))...)
	}
	p.head = slices.Concat(mp4Head(), mp4Box("moov", slices.Concat([][]byte{movieHeader(0)}, traks, [][]byte{mp4Box("mvex", defaults...)})...))
	return p
}

// TestFragmentsOf10Hours opens a file of 144,000 boxes.
func TestFragmentsOf10Hours(t *testing.T) {
	video := longFragments(10*3600, 20_000, 340)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := &heapReader{ReaderAt: video}
	f, err := audioonly.Open(r, video.size(), audioonly.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	total, most := after.TotalAlloc-before.TotalAlloc, r.most-before.HeapAlloc
	t.Logf("%d MB of audio from %d MB, with at most %d KiB of memory, %d KiB in total", f.Size()/1e6, video.size()/1e6, most>>10, total>>10)
	if most > 64<<20 || total > 256<<20 {
		t.Errorf("%d MiB of memory, %d MiB in total", most>>20, total>>20)
	}
	audio := int64(10*3600*mp4Sound.perSecond) * 340
	if f.Size() < audio || f.Size() > audio*105/100 {
		t.Errorf("%d bytes for %d of audio", f.Size(), audio)
	}
}

// heapReader notes the size of the heap while it is read.
type heapReader struct {
	io.ReaderAt
	reads int
	most  uint64
}

// ReadAt implements io.ReaderAt.
func (r *heapReader) ReadAt(p []byte, off int64) (int, error) {
	if r.reads++; r.reads%100 == 0 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		r.most = max(r.most, now.HeapAlloc)
	}
	return r.ReaderAt.ReadAt(p, off)
}
