package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/matroska"
)

// newLongMKV returns a Matroska file of clusters of one second, with 25 pictures and 56 blocks
// of audio each, which differ only in their time.
func newLongMKV(seconds int64, pictureBytes, audioBytes int) *periodic {
	block := func(track byte, at, n int) *node {
		data := make([]byte, 4+n)
		data[0], data[3] = 0x80|track, 0x80
		binary.BigEndian.PutUint16(data[1:], uint16(at)) //nolint:gosec // less than a second
		return &node{id: matroska.SimpleBlock, data: data}
	}
	c := master(matroska.Cluster, &node{id: matroska.Timestamp, data: make([]byte, 8)})
	for i := range 25 * 56 {
		if i%56 == 0 {
			c.kids = append(c.kids, block(1, i*1000/(25*56), pictureBytes))
		}
		if i%25 == 0 {
			c.kids = append(c.kids, block(2, i*1000/(25*56), audioBytes))
		}
	}
	m := &periodic{unit: c.append(nil), count: seconds}
	m.stamps = []stamp{{bytes.IndexByte(m.unit, matroska.Timestamp) + 2, 1000}}
	track := func(number, kind uint64, codec string) *node {
		return master(matroska.TrackEntry, integer(matroska.TrackNumber, number), integer(0x73C5, number), integer(matroska.TrackType, kind),
			text(matroska.CodecID, codec))
	}
	index := append(
		master(matroska.Info, integer(matroska.TimestampScale, 1e6), &node{id: matroska.Duration, data: float(float64(1000 * seconds))}).append(nil),
		master(matroska.Tracks, track(1, 1, "V_VP9"), track(2, 2, "A_OPUS")).append(nil)...)
	m.head = master(matroska.EBML, text(matroska.DocType, "matroska")).append(nil)
	m.head = matroska.AppendHeader(m.head, matroska.Segment, int64(len(index))+seconds*int64(len(m.unit)))
	m.head = append(m.head, index...)
	return m
}

// TestMKVOfTenHours opens a file with two million blocks of audio.
func TestMKVOfTenHours(t *testing.T) {
	video := newLongMKV(10*3600, 20_000, 280)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := audioonly.Open(video, video.size(), audioonly.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(f)
	used := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d MB of audio from %d MB, with %d KiB of memory", f.Size()/1e6, video.size()/1e6, used>>10)
	if used > 64<<20 {
		t.Errorf("%d MiB of memory", used>>20)
	}
	audio := int64(10*3600*56) * 280
	if got := f.Size(); got < audio || got > audio*21/20 {
		t.Errorf("%d bytes, of which %d are audio", got, audio)
	}
	// Its last cluster ends with the last block of the source.
	tail, last := make([]byte, 280), make([]byte, 280)
	if _, err := f.ReadAt(tail, f.Size()-280); err != nil {
		t.Fatal(err)
	}
	if _, err := video.ReadAt(last, video.size()-280); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tail, last) {
		t.Error("another end")
	}
}

// BenchmarkOpenMKV opens files of 4 GB, whose pictures are small or large.
func BenchmarkOpenMKV(b *testing.B) {
	for _, pictureBytes := range []int{4_000, 20_000, 200_000} {
		b.Run(fmt.Sprintf("%d bytes a picture", pictureBytes), func(b *testing.B) {
			video := newLongMKV(1, pictureBytes, 300)
			video = newLongMKV(4e9/int64(len(video.unit)), pictureBytes, 300)
			f, err := os.Create(filepath.Join(b.TempDir(), "video.mkv"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // a test reads it
			if err := video.writeSparse(f); err != nil {
				b.Fatal(err)
			}
			var calls countingReader
			for b.Loop() {
				calls = countingReader{ReaderAt: f}
				if _, err := audioonly.Open(&calls, video.size(), audioonly.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(calls.reads), "reads/op")
			b.ReportMetric(float64(calls.bytes)/1e6, "MB/op")
		})
	}
}

type countingReader struct {
	io.ReaderAt
	reads, bytes int
}

// ReadAt implements io.ReaderAt.
func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	r.reads++
	n, err := r.ReaderAt.ReadAt(p, off)
	r.bytes += n
	return n, err
}
