package audioonly

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/matroska"
)

// The head of the file, which ffmpeg probes: it reads 16 MB or 16 s (in package ffmpeg's
// command lines), and ffprobe then lists the first 100 packets.
const (
	// mkvHeadFrames is how many frames at the beginning, of all tracks, have at least a
	// stub.
	mkvHeadFrames = 256
	// mkvHeadTime is how long all tracks but pictures are kept.
	mkvHeadTime = 20 * time.Second
	// mkvLate is how late an audio track may begin, in time and in bytes. ffmpeg guesses
	// the start of a track that begins after what it probes.
	mkvLate      = 12 * time.Second
	mkvLateBytes = 12e6
	// mkvBefore is how many frames may precede the first picture, which must be among the
	// 100 packets: otherwise ffmpeg guesses its start, and differently for the stub.
	mkvBefore = 90
	// mkvPause is how long a pause of the audio may be. In pauses from ten minutes on, the
	// converter looks for pictures.
	mkvPause = 9 * time.Minute
)

// cluster is what was read of a cluster.
type cluster struct {
	mkvPieces
	time  uint64 // in ticks
	timed bool
}

// splitBlocks bounds the pieces of a cluster. A larger one is divided.
const splitBlocks = 1 << 14

// readClusters reads what follows the index.
func (m *mkv) readClusters() error {
	followed := m.index.followed
	for at := m.front.at; at < m.segEnd; {
		e, err := m.element(at, m.segment.end)
		switch {
		case errors.Is(err, errCut):
			m.cut = true
			return nil
		case err != nil:
			return err
		}
		followed = slices.DeleteFunc(followed, func(f element) bool { return f == e })
		switch {
		case e.end == endless && (e.id != matroska.Cluster || m.segment.end != endless):
			return damaged(at) // ffmpeg does not read them either
		case e.id == matroska.Cluster:
			if at, err = m.readCluster(e); err != nil {
				return err
			}
			continue
		case e.end > m.segEnd:
			m.cut = true
			if e.id == matroska.Cues || e.id == matroska.Void {
				return nil
			}
			return wholeFile("the file ends in its index")
		case !isFiller(e.id) && !isTopLevel(e.id):
			return unknownElement(e)
		}
		at = e.end
	}
	m.cut = m.cut || m.segment.end != endless && m.segment.end > m.size
	if len(followed) > 0 {
		return wrongIndex()
	}
	return nil
}

// readCluster reads a cluster and writes what is kept of it. It returns where the next
// element begins.
func (m *mkv) readCluster(e element) (next int64, err error) {
	c := &m.cluster
	*c = cluster{mkvPieces: mkvPieces{list: c.list[:0]}}
	at := e.data
	for at < min(e.end, m.segEnd) {
		child, err := m.element(at, e.end)
		if errors.Is(err, errCut) {
			m.cut = true
			at = m.size
			break
		}
		if err != nil {
			return 0, err
		}
		if e.end == endless && isTopLevel(child.id) {
			break
		}
		if child.end == endless {
			return 0, damaged(at)
		}
		if child.end > m.size {
			m.cut = true
			at = m.size
			break
		}
		if err := m.readClusterChild(c, child); err != nil {
			return 0, err
		}
		at = child.end
	}
	if e.end != endless && e.end > m.size {
		m.cut = true
	}
	return at, m.writeCluster(c)
}

func (m *mkv) readClusterChild(c *cluster, e element) error {
	switch e.id {
	case matroska.Timestamp:
		if c.timed {
			return damaged(e.at)
		}
		c.timed = true
		var err error
		if c.time, err = m.uint(e); err == nil && c.time > math.MaxInt64/m.scale/2 {
			err = damaged(e.at)
		}
		return err
	case matroska.SimpleBlock:
		return m.readBlock(c, e, e, true)
	case matroska.BlockGroup:
		return m.readBlockGroup(c, e)
	case matroska.Position, matroska.PrevSize, matroska.Void, matroska.CRC32:
		return nil
	}
	return unknownElement(e)
}

func (m *mkv) readBlockGroup(c *cluster, group element) error {
	var block element
	key := true
	err := m.children(group, func(e element) error {
		switch e.id {
		case matroska.Block:
			if block.id != 0 {
				return damaged(e.at)
			}
			block = e
		case matroska.ReferenceBlock:
			key = false
		case matroska.BlockVirtual, matroska.BlockAdditions, matroska.BlockDuration, matroska.ReferencePriority,
			matroska.ReferenceVirtual, matroska.CodecState, matroska.DiscardPadding, matroska.Slices, matroska.ReferenceFrame,
			matroska.Void, matroska.CRC32:
		default:
			return unknownElement(e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if block.id == 0 {
		return damaged(group.at)
	}
	return m.readBlock(c, group, block, key)
}

// maxBlockHeader is the size of the longest header of a block, with the number of frames.
const maxBlockHeader = 8 + 2 + 1 + 1

// readBlock reads the header of a block (RFC 9559, section 10), which is in an element of
// the cluster: in itself, if it is a SimpleBlock, or in its group.
func (m *mkv) readBlock(c *cluster, outer, block element, key bool) error {
	b, err := m.bytes(block.data, int(min(maxBlockHeader, block.end-block.data)))
	if err != nil {
		return err
	}
	number, n, err := matroska.ParseNumber(b)
	if err != nil || len(b) < n+4 || !c.timed || block.end-block.data > maxBinary {
		return damaged(block.at)
	}
	i := slices.IndexFunc(m.tracks, func(t *track) bool { return t.number == number })
	if i < 0 {
		return damaged(block.at)
	}
	t := m.tracks[i]
	offset := int16(binary.BigEndian.Uint16(b[n:])) //nolint:gosec // it is signed
	flags := b[n+2]
	frames := 1
	if flags&lacing != 0 {
		frames = int(b[n+3]) + 1
	}
	now := (time.Duration(c.time) + time.Duration(offset)) * time.Duration(m.scale) //nolint:gosec // bounded where they were read
	m.begin(t, block.at, now)
	if slices.Contains(parsed, t.codec) && now-m.base < mkvHeadTime {
		if err := m.checkFormat(t, block, n+3, flags&lacing); err != nil {
			return err
		}
	}

	switch {
	case t.kind == typePicture:
		if flags&lacing != 0 {
			return wholeFile("a block has several pictures")
		}
		if m.frames < mkvHeadFrames || t.seen < 2 {
			if outer.id == matroska.SimpleBlock {
				key = flags&keyFrame != 0
			}
			c.literal(stub(number, b[n:n+2], key))
		}
	case t.wanted || m.frames < mkvHeadFrames || now-m.base < mkvHeadTime:
		if t.seen > 0 && (now-t.last).Abs() > mkvPause && t.wanted {
			return wholeFile("the audio pauses for minutes")
		}
		c.source(outer)
	}
	m.frames += frames
	t.seen += frames
	t.last = now
	if len(c.list) == splitBlocks {
		return m.writeCluster(c)
	}
	return nil
}

// Flags of a block.
const (
	keyFrame    = 0x80
	lacing      = 0x06
	lacingXiph  = 0x02
	lacingFixed = 0x04
)

// parsed are the codecs whose format is, for ffmpeg, that of the last frame that it probes, and
// it probes more if there are no pictures. It has parsers for other codecs too, but takes their
// formats from the first frame.
var parsed = []string{"A_MPEG/L2", "A_MPEG/L3", "A_AC3", "A_EAC3"}

// checkFormat checks that the first frame of a block, which begins with a header of n bytes,
// has the format of the track's first one.
func (m *mkv) checkFormat(t *track, block element, n int, kind byte) error {
	const most = 8 + 3 + 1 + 255*8 // bytes before the first frame, whose sizes are below 2 kB
	b, err := m.bytes(block.data, int(min(most+8, block.end-block.data)))
	if err != nil {
		return err
	}
	b = b[n:]
	if kind != 0 {
		b = afterSizes(b, kind)
	}
	format := frameFormat(b)
	switch {
	case format == 0: // ffmpeg skips what is no frame
	case t.format == 0:
		t.format = format
	case t.format != format:
		return wholeFile("the audio's format changes")
	}
	return nil
}

// afterSizes returns what follows the sizes of a block's frames.
func afterSizes(b []byte, kind byte) []byte {
	if len(b) == 0 {
		return nil
	}
	n := int(b[0])
	b = b[1:]
	for ; n > 0 && kind != lacingFixed; n-- {
		if kind == lacingXiph {
			i := slices.IndexFunc(b, func(c byte) bool { return c != 255 })
			b = b[i+1:]
			continue
		}
		_, k, err := matroska.ParseNumber(b)
		if err != nil {
			return nil
		}
		b = b[k:]
	}
	return b
}

// stub returns a SimpleBlock in place of a picture. One byte is no picture, so ffmpeg
// probes as much as it can, as it does for pictures that the converter does not let it
// decode.
func stub(number uint64, offset []byte, key bool) []byte {
	b := append(matroska.AppendNumber(nil, number), offset...)
	if key {
		b = append(b, keyFrame, 0)
	} else {
		b = append(b, 0, 0)
	}
	return matroska.AppendElement(nil, matroska.SimpleBlock, b)
}

// begin takes note of where a track begins, before each of its blocks.
func (m *mkv) begin(t *track, at int64, now time.Duration) {
	if !m.started {
		m.started, m.base = true, now
	}
	switch t.seen {
	case 0:
		t.late = (now-m.base).Abs() > mkvLate || at-m.front.at > mkvLateBytes
		t.later = m.frames > mkvBefore
	case 1:
		t.moving = m.frames < mkvHeadFrames
	}
}

// writeCluster writes what is kept of a cluster so far.
func (m *mkv) writeCluster(c *cluster) error {
	if len(c.list) == 0 {
		return nil
	}
	timestamp := matroska.AppendUint(nil, matroska.Timestamp, c.time)
	m.out.literal(append(matroska.AppendHeader(nil, matroska.Cluster, c.size+int64(len(timestamp))), timestamp...))
	c.appendTo(m.out)
	c.mkvPieces = mkvPieces{list: c.list[:0]}
	if m.out.memory() > maxMemory {
		return wholeFile("the file's index is too large")
	}
	return nil
}

// check checks that ffmpeg sees the same beginnings of the tracks as in the whole file.
func (m *mkv) check() error {
	for _, t := range m.tracks {
		switch {
		case t.kind == typeAudio && t.seen == 0:
			return wholeFile("an audio track is empty")
		case t.kind == typeAudio && t.late:
			return wholeFile("an audio track begins late")
		case t.kind == typePicture && t.seen == 0:
			return wholeFile("a picture track is empty")
		case t.kind == typePicture && t.later:
			return wholeFile("the picture begins late")
		case t.kind == typePicture && !m.duration && !t.moving:
			return wholeFile("the file does not say how long it is")
		}
	}
	return nil
}
