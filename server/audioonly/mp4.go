package audioonly

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/tracks"
)

// mp4 is an MP4 or QuickTime file that is taken apart. The virtual file has the index
// (moov) first. Of it, everything is kept but the pictures, whose track becomes a stub,
// because the clock begins where the earliest track begins and tracks are numbered.
type mp4 struct {
	*boxReader
	w     boxWriter
	boxes []box // of the file

	first     int // in boxes: of the first fragment (moof); len(boxes) if there is none
	moov      box
	movie     []box // children of moov
	timescale int64 // of the movie
	tracks    []*mp4Track
	truncated bool // the last box is longer than the file
	wide      bool // offsets have 64 bits
	data      []*trackData
	mdat      openBox // the last one
	limit     int64   // of the memory of w
	onlyIndex bool    // see Options.Index
	sidx      segmentIndex
}

// trackData is where the samples of a track are, and the table that says so.
type trackData struct {
	chunks *chunks
	head   chunk // the next one
	place  int64 // of the next entry of the table of chunk offsets
	limit  int64 // samples that are kept; the following chunks refer to the first one
	first  int64 // offset of the first chunk in the virtual file
	stub   int64 // tiny samples of a stub; chunks is nil
	track  *mp4Track
}

func openMP4(r io.ReaderAt, size int64, o Options) (*File, error) {
	m := &mp4{boxReader: newBoxReader(r, size), w: boxWriter{&layout{}}, limit: maxMemory, onlyIndex: o.Index}
	if o.Index {
		m.limit = maxServed
	}
	m.walk()
	m.index(o)
	m.write()
	if m.err != nil {
		return nil, m.err
	}
	return newFile(r, "MP4", m.w.layout), nil
}

const (
	maxBoxes = 200_000 // of a file with fragments: 10 h have 72,000 of a second each
	// maxPlain is the limit for a file without fragments. The converter follows no more.
	maxPlain = 60
	// maxMemory bounds the memory of a virtual file's description in bytes.
	maxMemory = 40 << 20
	// maxIndex and maxServed are the limits of the index and of that memory for
	// Options.Index, in bytes. The index of 10 h of video has 20 MB; the description, 2 MB.
	maxIndex  = 64 << 20
	maxServed = 8 << 20
)

// walk reads the boxes of the file.
func (m *mp4) walk() {
	m.first = -1
	for at := int64(0); at < m.size && m.err == nil; {
		if m.size-at < 8 {
			m.fail("something unknown follows the last box")
			return
		}
		b := m.box(at, m.size, true)
		switch b.kind {
		case "moof":
			if m.onlyIndex {
				m.fail("the file is fragmented")
			}
			if m.first < 0 {
				m.first = len(m.boxes)
			}
			if m.moov.size() == 0 {
				m.fail("the file has no index in front of its fragments")
			}
		case "moov":
			if m.moov.size() > 0 {
				m.fail("the file has two indexes")
			}
			if m.moov = b; m.onlyIndex && b.size() > maxIndex {
				m.fail("the file's index is too large")
			}
		case "ftyp":
			if at > 0 && m.moov.size() > 0 {
				m.fail("another file follows the first one")
			}
		case "mdat":
		default:
			if b.end > m.size || strings.ContainsFunc(b.kind, func(r rune) bool { return r < ' ' || r > '~' }) {
				m.fail("the file ends within its index, or something unknown follows it")
			}
		}
		if b.end > m.size {
			m.truncated = true
			if b.kind != "mdat" {
				m.fail("the file ends within its index")
			}
		}
		if len(m.boxes) == maxBoxes || len(m.boxes) == maxPlain && m.first < 0 {
			m.fail("the file has too many boxes")
		}
		m.boxes = append(m.boxes, b)
		at = b.end
	}
	if m.moov.size() == 0 {
		m.fail("the file has no index")
	}
	if m.first < 0 {
		m.first = len(m.boxes)
	}
}

func (m *mp4) fragmented() bool { return m.first < len(m.boxes) }

// index reads moov, and decides what becomes of each track.
func (m *mp4) index(o Options) {
	if m.err != nil {
		return
	}
	m.movie = m.children(m.moov.body, m.moov.end)
	m.refuseEncrypted(m.movie)
	for _, b := range m.movie {
		switch b.kind {
		case "trak":
			if len(m.tracks) == maxTracks {
				m.fail("the file has more than %d tracks", maxTracks)
				return
			}
			m.tracks = append(m.tracks, m.track(b))
		case "cmov":
			m.fail("the file's index is compressed")
		case "rmra":
			m.fail("the file refers to another file")
		}
	}
	mvhd := m.need(m.movie, "mvhd")
	if m.err != nil {
		return
	}
	if m.bytes(mvhd.body, 1)[0] == 1 {
		m.timescale = m.uint32(mvhd.body + 20)
	} else {
		m.timescale = m.uint32(mvhd.body + 12)
	}
	if m.timescale == 0 {
		m.contradiction()
		return
	}
	m.assign(o)
	m.checkStarts()
}

// assign sets the role of each track.
func (m *mp4) assign(o Options) {
	var chapters []int64
	var choices []tracks.Track
	var audio []*mp4Track
	for _, t := range m.tracks {
		chapters = append(chapters, t.chapters...)
		if t.handler == "soun" {
			choices, audio = append(choices, t.choice), append(audio, t)
		}
	}
	if len(audio) == 0 {
		m.fail("the file has no audio track")
	}
	picked := tracks.Pick(choices, o.Track)
	_, err := strconv.Atoi(o.Track)
	byLanguage := err != nil
	for i, t := range audio {
		if len(picked) > 0 && !slices.Contains(picked, i) && (!byLanguage || !t.unsure) {
			t.role = beginning
		}
	}
	for _, t := range m.tracks {
		switch {
		case t.handler == "soun", slices.Contains(chapters, t.id), slices.Contains(small, t.handler):
		case t.handler == "vide":
			t.role = picture
			if t.samples == 0 && !m.fragmented() {
				t.role = untouched
			}
		case slices.Contains(handlers, t.handler):
			t.role = beginning
		default:
			m.fail("tracks of type %.4q have not been compared", t.handler)
		}
	}
}

const (
	// maxLate and maxBefore bound how late audio may begin, in time and in bytes of the
	// file before it. ffmpeg looks at 16 s and 16 MiB to get to know a track.
	maxLate   = 10 * time.Second
	maxBefore = 4 << 20
)

// checkStarts refuses files whose audio begins so late that ffmpeg may not find it when it
// looks at the beginning of the whole file.
func (m *mp4) checkStarts() {
	longest := time.Second
	for _, t := range m.tracks {
		if t.timescale > 0 {
			longest = max(longest, t.duration(t.ticks))
		}
	}
	for _, t := range m.tracks {
		if t.handler != "soun" {
			continue
		}
		late := t.movieTime(m, t.edits.lead)
		if late > maxLate || float64(m.size)*late.Seconds()/longest.Seconds() > maxBefore {
			m.fail("the audio begins late")
		}
		if t.movieTime(m, t.edits.longest) > longPause {
			m.fail("the audio has a pause of more than %d minutes", longPause/time.Minute)
		}
	}
}

func (t *mp4Track) movieTime(m *mp4, n int64) time.Duration {
	return time.Duration(float64(n) / float64(m.timescale) * float64(time.Second))
}
