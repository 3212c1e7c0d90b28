package audioonly

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/matroska"
)

// mkv makes the virtual file of a Matroska or WebM file (RFC 9559). The source is read
// strictly, because ffmpeg searches for the next element where it finds none, and what it
// skips then depends on the pictures.
//
// The virtual file has the index first and then the clusters with their audio, without
// SeekHead and Cues. What ffmpeg does not find in the source, such as tags at its end that
// no SeekHead names, is left out.
type mkv struct {
	window

	segment  element
	segEnd   int64   // of the segment or of the file, whichever is less
	front    element // the first cluster
	index    index
	tracks   []*track
	scale    uint64 // nanoseconds of a tick of the clock
	duration bool   // the file says how long it is

	out     *layout
	cluster cluster       // what is kept of the cluster that is read
	sizeAt  int64         // place of the size of the segment
	start   int64         // offset of the segment's data in the virtual file
	frames  int           // so far in the source, and attached pictures
	started bool          // there was a block
	base    time.Duration // of the first block
	cut     bool          // the source ends too early
}

func openMKV(r io.ReaderAt, size int64, o Options) (*File, error) {
	m := &mkv{window: window{r: r, size: size}, out: &layout{}}
	for _, step := range []func() error{
		m.readHeader,
		m.readIndex,
		m.readInfo,
		func() error { return m.readTracks(o) },
		m.writeIndex,
		m.readClusters,
		m.check,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	m.writeSegmentSize()
	return newFile(r, "Matroska", m.out), nil
}

// readHeader reads the EBML header and that of the segment.
func (m *mkv) readHeader() error {
	ebml, err := m.known(0, m.size)
	if err != nil {
		return err
	}
	if ebml.id != matroska.EBML {
		return damaged(0)
	}
	err = m.children(ebml, func(e element) error {
		switch e.id {
		case matroska.DocType:
			kind, err := m.value(e)
			if err == nil && string(kind) != "matroska" && string(kind) != "webm" {
				err = wholeFile("the file is neither Matroska nor WebM")
			}
			return err
		case matroska.EBMLMaxIDLength, matroska.EBMLMaxSizeLength:
			n, err := m.uint(e)
			if err == nil && n > 8 || e.id == matroska.EBMLMaxIDLength && n > 4 {
				err = wholeFile("the file has elements with long headers")
			}
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.out.source(0, ebml.end)
	m.segment, err = m.element(ebml.end, endless)
	switch {
	case errors.Is(err, errCut):
		return damaged(ebml.end)
	case err != nil:
		return err
	case m.segment.id != matroska.Segment:
		return damaged(ebml.end)
	case m.segment.end != endless && m.segment.end < m.size:
		return wholeFile("something follows the end of the video")
	}
	m.segEnd = min(m.segment.end, m.size)
	return nil
}

const (
	maxSegment    = 1 << 50 // bytes
	segmentHeader = 12      // bytes of the header of a segment of that size
)

// writeSegmentSize completes the header of the segment. If the source ends too early, so
// does the virtual file, which ffmpeg reports.
func (m *mkv) writeSegmentSize() {
	size := m.out.size - m.start
	if m.cut {
		size++
	}
	m.out.patch(m.sizeAt, binary.BigEndian.AppendUint64(nil, 1<<56|uint64(size))) //nolint:gosec // not negative
}

// readInfo reads what is needed of Info.
func (m *mkv) readInfo() error {
	m.scale = 1e6
	return m.children(m.index.info, func(e element) error {
		switch e.id {
		case matroska.TimestampScale:
			var err error
			if m.scale, err = m.uint(e); err == nil && (m.scale == 0 || m.scale > 1e9) {
				err = wholeFile("the file's clock is unusual")
			}
			return err
		case matroska.Duration:
			m.duration = true
			if n := e.end - e.data; n != 4 && n != 8 {
				return damaged(e.at)
			}
		}
		return nil
	})
}

// topLevel are the children of a segment.
var topLevel = []uint32{
	matroska.SeekHead, matroska.Info, matroska.Tracks, matroska.Cluster, matroska.Cues, matroska.Attachments,
	matroska.Chapters, matroska.Tags,
}

func isTopLevel(id uint32) bool { return slices.Contains(topLevel, id) }

func isFiller(id uint32) bool { return id == matroska.Void || id == matroska.CRC32 }

// unknownElement is the reason if an element is not known where it is.
func unknownElement(e element) error {
	return wholeFile("the file has an unknown element (%X at byte %d)", e.id, e.at)
}

// mkvPieces are parts of the virtual file that follow a header with their size.
type mkvPieces struct {
	size int64
	list []mkvPiece
}

// mkvPiece is a range of the source or, if bytes is not nil, literal bytes.
type mkvPiece struct {
	at, n int64
	bytes []byte
}

func (p *mkvPieces) source(e element) {
	p.size += e.end - e.at
	if i := len(p.list) - 1; i >= 0 && p.list[i].bytes == nil && p.list[i].at+p.list[i].n == e.at {
		p.list[i].n += e.end - e.at
		return
	}
	p.list = append(p.list, mkvPiece{at: e.at, n: e.end - e.at})
}

func (p *mkvPieces) literal(b []byte) {
	p.size += int64(len(b))
	p.list = append(p.list, mkvPiece{bytes: b})
}

func (p *mkvPieces) append(q *mkvPieces) {
	p.size += q.size
	p.list = append(p.list, q.list...)
}

func (p *mkvPieces) appendTo(l *layout) {
	for _, x := range p.list {
		if x.bytes != nil {
			l.literal(x.bytes)
		} else {
			l.source(x.at, x.n)
		}
	}
}
