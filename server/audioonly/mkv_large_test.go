package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/matroska"
)

// longMKV is a Matroska file of clusters of one second, with 25 pictures and 56 blocks of
// audio each, which differ only in their time.
type longMKV struct {
	seconds int64
	head    []byte // up to the first cluster
	cluster []byte
	time    int // where the time is in a cluster, in eight bytes
}

func newLongMKV(seconds int64, pictureBytes, audioBytes int) *longMKV {
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
	m := &longMKV{seconds: seconds, cluster: c.append(nil)}
	m.time = bytes.IndexByte(m.cluster, matroska.Timestamp) + 2
	track := func(number, kind uint64, codec string) *node {
		return master(matroska.TrackEntry, integer(matroska.TrackNumber, number), integer(0x73C5, number), integer(matroska.TrackType, kind),
			text(matroska.CodecID, codec))
	}
	index := append(
		master(matroska.Info, integer(matroska.TimestampScale, 1e6), &node{id: matroska.Duration, data: float(float64(1000 * seconds))}).append(nil),
		master(matroska.Tracks, track(1, 1, "V_VP9"), track(2, 2, "A_OPUS")).append(nil)...)
	m.head = master(matroska.EBML, text(matroska.DocType, "matroska")).append(nil)
	m.head = matroska.AppendHeader(m.head, matroska.Segment, int64(len(index))+seconds*int64(len(m.cluster)))
	m.head = append(m.head, index...)
	return m
}

func (m *longMKV) size() int64 { return int64(len(m.head)) + m.seconds*int64(len(m.cluster)) }

// ReadAt implements io.ReaderAt.
func (m *longMKV) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < m.size() {
		var k int
		if at := off - int64(len(m.head)); at < 0 {
			k = copy(p[n:], m.head[off:])
		} else {
			k = m.copyCluster(p[n:], at/int64(len(m.cluster)), int(at%int64(len(m.cluster))))
		}
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *longMKV) copyCluster(p []byte, second int64, at int) int {
	k := copy(p, m.cluster[at:])
	stamp := binary.BigEndian.AppendUint64(nil, uint64(1000*second)) //nolint:gosec // not negative
	if from, to := max(m.time, at), min(m.time+len(stamp), at+k); from < to {
		copy(p[from-at:to-at], stamp[from-m.time:])
	}
	return k
}

// writeSparse writes the file with holes in place of the pictures' zeros.
func (m *longMKV) writeSparse(f *os.File) error {
	if _, err := f.WriteAt(m.head, 0); err != nil {
		return err
	}
	const piece = 512
	var places []int
	for at := 0; at < len(m.cluster); at += piece {
		if at == 0 || slices.ContainsFunc(m.cluster[at:min(len(m.cluster), at+piece)], func(c byte) bool { return c != 0 }) {
			places = append(places, at)
		}
	}
	b := make([]byte, piece)
	for s := range m.seconds {
		base := int64(len(m.head)) + s*int64(len(m.cluster))
		for _, at := range places {
			n := m.copyCluster(b, s, at)
			if _, err := f.WriteAt(b[:n], base+int64(at)); err != nil {
				return err
			}
		}
	}
	return f.Truncate(m.size())
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
			video = newLongMKV(4e9/int64(len(video.cluster)), pictureBytes, 300)
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
