package audioonly

import (
	"errors"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/internal/matroska"
)

// index is the part of a segment that ffmpeg reads before the clusters.
type index struct {
	info, tracks, chapters, attachments element // absent if the ID is 0
	tags                                []element
	seeks                               []seek
	followed                            []element // elements behind the first cluster
	elements                            int
}

// seek is an entry of a SeekHead.
type seek struct {
	id uint32
	at int64
}

const (
	// maxElements bounds the elements of the index, without fillers. ffmpeg 5.1 does not
	// look for more than 64.
	maxElements = 48
	maxSeeks    = 1000
	// mkvChildren bounds the elements in tags or chapters.
	mkvChildren = 1 << 20
	maxDepth    = 10
)

// readIndex finds the elements of the index: those before the first cluster, and those
// that a SeekHead names.
func (m *mkv) readIndex() error {
	for at := m.segment.data; m.front.id == 0; {
		if at >= m.segEnd {
			return wholeFile("the file has no audio")
		}
		e, err := m.element(at, m.segment.end)
		switch {
		case errors.Is(err, errCut):
			return damaged(at)
		case err != nil:
			return err
		case e.id == matroska.Cluster:
			m.front = e
		case e.end > m.size:
			return damaged(at)
		default:
			if err := m.addToIndex(e); err != nil {
				return err
			}
		}
		at = e.end
	}
	for i := 0; i < len(m.index.seeks); i++ { // a SeekHead can name another one
		s := m.index.seeks[i]
		if s.at < m.segment.data || m.inIndex(s) {
			continue
		}
		if s.at >= m.size && m.segment.end > m.size && m.segment.end != endless {
			break // the end is missing, and ffmpeg gives up here
		}
		if s.at >= m.segEnd {
			return wrongIndex()
		}
		e, err := m.known(s.at, m.segEnd)
		if isWholeFile(err) {
			return wrongIndex()
		}
		if err != nil {
			return err
		}
		if e.id != s.id || s.at < m.front.at {
			return wrongIndex()
		}
		m.index.followed = append(m.index.followed, e)
		if err := m.addToIndex(e); err != nil {
			return err
		}
	}
	for _, e := range []element{m.index.info, m.index.tracks} {
		if e.id == 0 || e.at > m.front.at {
			return wholeFile("the file does not begin with its index")
		}
	}
	return nil
}

func isWholeFile(err error) bool {
	_, ok := errors.AsType[*WholeFileError](err)
	return ok
}

func wrongIndex() error { return wholeFile("the file's index is wrong") }

// inIndex reports whether ffmpeg does not follow an entry: it ignores entries of
// clusters and cues, and reads only one element of most other kinds.
func (m *mkv) inIndex(s seek) bool {
	x := &m.index
	at := func(e element) bool { return e.at == s.at }
	switch s.id {
	case matroska.SeekHead, matroska.Tags:
		return slices.ContainsFunc(x.tags, at) || slices.ContainsFunc(x.followed, at) || s.id == matroska.SeekHead && s.at < m.front.at
	case matroska.Info:
		return x.info.id != 0
	case matroska.Tracks:
		return x.tracks.id != 0
	case matroska.Chapters:
		return x.chapters.id != 0
	case matroska.Attachments:
		return x.attachments.id != 0
	}
	return s.id == matroska.Cluster || s.id == matroska.Cues
}

func (m *mkv) addToIndex(e element) error {
	if isFiller(e.id) || e.id == matroska.Cues {
		return nil
	}
	x := &m.index
	if x.elements++; x.elements > maxElements {
		return wholeFile("the file's index has too many parts")
	}
	one := map[uint32]*element{
		matroska.Info: &x.info, matroska.Tracks: &x.tracks, matroska.Chapters: &x.chapters, matroska.Attachments: &x.attachments,
	}[e.id]
	switch {
	case one != nil && one.id != 0:
		return wholeFile("the file's index has a part twice")
	case one != nil:
		*one = e
	case e.id == matroska.Tags:
		x.tags = append(x.tags, e)
	case e.id == matroska.SeekHead:
		return m.readSeekHead(e)
	default:
		return unknownElement(e)
	}
	return nil
}

func (m *mkv) readSeekHead(head element) error {
	return m.children(head, func(e element) error {
		if e.id != matroska.Seek {
			return nil
		}
		if len(m.index.seeks) == maxSeeks {
			return wholeFile("the file's index is too large")
		}
		var s seek
		err := m.children(e, func(e element) error {
			if e.id != matroska.SeekID && e.id != matroska.SeekPosition {
				return nil
			}
			v, err := m.uint(e)
			switch {
			case err != nil:
				return err
			case e.id == matroska.SeekID && v>>32 == 0:
				s.id = uint32(v)
			case e.id == matroska.SeekPosition && v < uint64(endless-m.segment.data): //nolint:gosec // positive
				s.at = m.segment.data + int64(v) //nolint:gosec // bounded by the case
			default:
				return damaged(e.at)
			}
			return nil
		})
		m.index.seeks = append(m.index.seeks, s)
		return err
	})
}

// writeIndex writes the header of the segment, whose size is not known yet, and the index.
func (m *mkv) writeIndex() error {
	m.sizeAt = m.out.literal(matroska.AppendHeader(nil, matroska.Segment, maxSegment)) + segmentHeader - 8
	m.start = m.out.size
	m.copy(m.index.info)
	m.writeTracks()
	for _, e := range append([]element{m.index.chapters}, m.index.tags...) {
		if e.id == 0 {
			continue
		}
		if err := m.checkNested(e); err != nil {
			return err
		}
		m.copy(e)
	}
	return m.writeAttachments()
}

func (m *mkv) copy(e element) { m.out.source(e.at, e.end-e.at) }

// masters are the elements of tags and chapters that contain others.
var masters = []uint32{
	matroska.Tag, matroska.Targets, matroska.SimpleTag, matroska.EditionEntry, matroska.ChapterAtom, matroska.ChapterDisplay,
}

// integers are the elements of tags and chapters that contain an integer.
var integers = []uint32{
	matroska.TargetTypeValue, matroska.TagTrackUID, matroska.TagEditionUID, matroska.TagChapterUID, matroska.TagAttachmentUID,
	matroska.TagDefault, matroska.EditionUID, matroska.EditionFlagHidden, matroska.EditionFlagDefault, matroska.EditionFlagOrdered,
	matroska.ChapterUID, matroska.ChapterTimeStart, matroska.ChapterTimeEnd,
}

// checkNested checks that ffmpeg can read tags or chapters to their end, and that these are
// not the play list of an ordered edition.
func (m *mkv) checkNested(parent element) error {
	left := mkvChildren
	var check func(parent element, depth int) error
	check = func(parent element, depth int) error {
		if depth > maxDepth {
			return wholeFile("the file's tags are nested too deeply")
		}
		return m.children(parent, func(e element) error {
			if left--; left < 0 {
				return wholeFile("the file has too many tags")
			}
			switch {
			case slices.Contains(masters, e.id):
				return check(e, depth+1)
			case e.id == matroska.ChapterSegmentUUID:
				return wholeFile("the file plays chapters of other files")
			case slices.Contains(integers, e.id):
				v, err := m.uint(e)
				if err == nil && e.id == matroska.EditionFlagOrdered && v != 0 {
					err = wholeFile("the file has ordered chapters")
				}
				return err
			case e.end-e.data > maxText:
				return damaged(e.at)
			}
			return nil
		})
	}
	return check(parent, 0)
}

// maxText and maxBinary are the longest texts and data that ffmpeg 5.1 reads, in bytes.
const (
	maxText   = 16 << 20
	maxBinary = 256 << 20
)

// writeAttachments copies the pictures among the attachments, of which one may be the
// cover. Of the others, only what makes ffmpeg count them is kept.
func (m *mkv) writeAttachments() error {
	if m.index.attachments.id == 0 {
		return nil
	}
	var files mkvPieces
	n := 0
	err := m.children(m.index.attachments, func(e element) error {
		if e.id != matroska.AttachedFile {
			return nil // CRC-32 or a filler
		}
		if n++; n > maxAttachments {
			return wholeFile("the file has too many attachments")
		}
		return m.attachment(&files, e)
	})
	if err != nil {
		return err
	}
	m.out.literal(matroska.AppendHeader(nil, matroska.Attachments, files.size))
	files.appendTo(m.out)
	return nil
}

const maxAttachments = 1000

func (m *mkv) attachment(out *mkvPieces, file element) error {
	var parts []element
	var media string
	err := m.children(file, func(e element) error {
		switch {
		case e.id == matroska.FileMediaType:
			b, err := m.value(e)
			if err != nil {
				return err
			}
			media = string(b)
		case e.end-e.data > maxBinary, e.id != matroska.FileData && e.end-e.data > maxText:
			return damaged(e.at)
		}
		if parts = append(parts, e); len(parts) > 20 {
			return damaged(file.at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if strings.HasPrefix(media, "image/") {
		m.frames++ // ffmpeg reads it as a packet
		out.source(file)
		return nil
	}
	var rest mkvPieces
	for _, e := range parts {
		if e.id == matroska.FileData && e.end > e.data {
			rest.literal(matroska.AppendElement(nil, matroska.FileData, []byte{0}))
		} else {
			rest.source(e)
		}
	}
	out.literal(matroska.AppendHeader(nil, matroska.AttachedFile, rest.size))
	out.append(&rest)
	return nil
}
