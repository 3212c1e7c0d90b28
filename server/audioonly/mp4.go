package audioonly

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/tracks"
)

// mp4 is an MP4 or QuickTime file that is taken apart. The virtual file has the index
// (moov) first. Of it, everything is kept but the pictures, whose track becomes a stub:
// the clock begins where the earliest track begins, and tracks have numbers.
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
	m := &mp4{boxReader: newBoxReader(r, size), w: boxWriter{&layout{}}}
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
			m.moov = b
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
	for i, t := range audio {
		if len(picked) > 0 && !slices.Contains(picked, i) {
			t.role = begun
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
			t.role = begun
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

// write appends the virtual file to the layout.
func (m *mp4) write() {
	if m.err != nil {
		return
	}
	// A truncated file's tables go up to the size that it should have.
	m.wide = max(m.size, m.boxes[len(m.boxes)-1].end) >= 1<<32-1<<26
	for _, b := range m.boxes[:m.first] {
		m.sidx.reached(b.at, m.w.size)
		switch b.kind {
		case "mdat", "free", "skip", "wide", "ssix":
		case "sidx":
			m.writeIndex(b)
		case "moov":
			m.writeMovie()
		default:
			m.w.copy(b)
		}
	}
	m.writeData()
	if m.fragmented() {
		m.writeFragments()
	}
	if m.truncated && m.err == nil {
		m.declareTruncated()
	}
}

// declareTruncated makes the last box longer than the file by as much, relatively, as in
// the source: the converter estimates from that how much is missing.
func (m *mp4) declareTruncated() {
	if m.mdat.at == 0 {
		m.fail("the file is truncated where it has no audio")
		return
	}
	end := float64(m.boxes[len(m.boxes)-1].end)
	whole := max(m.w.size+1, int64(float64(m.w.size)*(end/float64(m.size))))
	m.closeData(whole)
}

// openData begins a box of media data.
func (m *mp4) openData() {
	m.mdat = m.w.open("mdat")
	if m.wide {
		m.w.zeros(8)
	}
}

// closeData ends a box of media data at an offset in the virtual file.
func (m *mp4) closeData(end int64) {
	size := end - m.mdat.at
	if m.wide {
		m.w.patch32(m.mdat.place, 1)
		m.w.patch64(m.mdat.place+8, size)
	} else {
		m.w.patch32(m.mdat.place, size)
	}
}

// writeMovie appends moov.
func (m *mp4) writeMovie() {
	o := m.w.open("moov")
	n := 0
	for _, b := range m.movie {
		if b.kind == "trak" {
			m.writeTrack(m.tracks[n])
			n++
			continue
		}
		m.w.copy(b)
	}
	m.tail(m.movie, m.moov)
	m.w.close(o)
}

// tail appends what follows the children of a box.
func (m *mp4) tail(list []box, parent box) {
	at := parent.body
	if len(list) > 0 {
		at = list[len(list)-1].end
	}
	m.w.source(at, parent.end-at)
}

// writeTrack appends a track, with empty entries in the table of chunk offsets.
func (m *mp4) writeTrack(t *mp4Track) {
	if t.role == untouched {
		m.w.copy(t.trak)
		return
	}
	m.nested(t.trak, []string{"mdia", "minf", "stbl"}, t)
}

// nested appends a box and descends to the table of samples along a path of kinds.
func (m *mp4) nested(b box, path []string, t *mp4Track) {
	o := m.w.open(b.kind)
	list := m.children(b.body, b.end)
	switch {
	case len(path) == 0 && t.role == picture:
		m.writeStub(t)
	case len(path) == 0:
		for _, c := range list {
			if c.kind == "stco" || c.kind == "co64" {
				m.writeOffsets(t)
			} else {
				m.w.copy(c)
			}
		}
		m.tail(list, b)
	default:
		for _, c := range list {
			if c.kind == path[0] {
				m.nested(c, path[1:], t)
			} else {
				m.w.copy(c)
			}
		}
		m.tail(list, b)
	}
	m.w.close(o)
}

// begunFor is how long the track is whose samples are not all sent. ffmpeg looks at 16 s.
const begunFor = 20 * time.Second

// writeOffsets appends the table of the offsets of a track's chunks.
func (m *mp4) writeOffsets(t *mp4Track) {
	c := m.chunks(t)
	if m.err != nil {
		return
	}
	count := c.offsets.count
	if count*m.width()+m.w.memory() > maxMemory {
		m.fail("the file's index is too large")
		return
	}
	d := &trackData{chunks: c, limit: c.sizes.count, place: m.offsetTable(count), track: t}
	if length := t.duration(t.ticks); t.role == begun && length > begunFor {
		d.limit = int64(float64(d.limit) * (float64(begunFor) / float64(length)))
	}
	m.data = append(m.data, d)
}

func (m *mp4) width() int64 {
	if m.wide {
		return 8
	}
	return 4
}

// offsetTable appends an empty table of chunk offsets, and returns the place of the first.
func (m *mp4) offsetTable(count int64) int64 {
	kind := "stco"
	if m.wide {
		kind = "co64"
	}
	o := m.w.open(kind)
	m.w.words(0, uint32(count))
	place := m.w.zeros(count * m.width())
	m.w.close(o)
	return place
}

// setOffset sets the next entry of a track's table.
func (m *mp4) setOffset(d *trackData, at int64) {
	if m.wide {
		m.w.patch64(d.place, at)
	} else {
		m.w.patch32(d.place, at)
	}
	d.place += m.width()
}

// writeData appends the samples to which moov refers, in the order of the source, and sets
// their offsets.
func (m *mp4) writeData() {
	if m.err != nil {
		return
	}
	var heads []*trackData
	for _, d := range m.data {
		if d.stub == 0 {
			if m.advance(d) {
				heads = append(heads, d)
			}
		} else {
			heads = append(heads, d)
		}
	}
	if len(heads) == 0 {
		return
	}
	m.openData()
	for _, d := range heads {
		for range d.stub {
			m.setOffset(d, m.w.size)
			m.w.zeros(stubSize)
		}
	}
	heads = slices.DeleteFunc(heads, func(d *trackData) bool { return d.stub > 0 })
	copier := copier{m: m}
	for len(heads) > 0 && m.err == nil {
		next := 0
		for i, d := range heads {
			if d.head.at < heads[next].head.at {
				next = i
			}
		}
		d := heads[next]
		m.checkPlace(d.head)
		m.checkFormat(d.track, d.head.at, d.head.size)
		at := copier.take(d.head.at, d.head.reach)
		if d.first == 0 {
			d.first = at
		}
		m.setOffset(d, at)
		if !m.advance(d) {
			heads = slices.Delete(heads, next, next+1)
		}
		if m.w.memory() > maxMemory {
			m.fail("the file's index is too large")
		}
	}
	m.closeData(m.w.size)
}

// advance moves to the track's next chunk that is sent. It returns false if there is none.
func (m *mp4) advance(d *trackData) bool {
	for last := d.head; ; {
		next, ok := d.chunks.next()
		if !ok {
			return false
		}
		if d.first > 0 && d.chunks.taken-next.samples >= d.limit {
			m.setOffset(d, d.first)
			continue
		}
		if next.at < last.at {
			m.fail("the file's samples are not in order")
		}
		d.head = next
		return m.err == nil
	}
}

// checkPlace refuses chunks outside the media data.
func (m *mp4) checkPlace(c chunk) {
	for _, b := range m.boxes[:m.first] {
		if b.kind == "mdat" && c.at >= b.body && c.at+c.size <= b.end {
			return
		}
	}
	m.contradiction()
}

// copier appends ranges of the source in their order. They may overlap.
type copier struct {
	m   *mp4
	end int64 // of what was appended, in the source
}

// take appends n bytes from an offset in the source, as far as they exist, and returns
// where they are in the virtual file.
func (c *copier) take(at, n int64) int64 {
	if at >= c.end {
		place := c.m.w.size
		c.m.w.source(at, min(n, c.m.size-at))
		c.end = max(c.end, min(at+n, c.m.size))
		if at > c.m.size { // in a truncated file
			place += at - c.m.size
		}
		return place
	}
	place := c.m.w.size - (c.end - at)
	more := min(at+n, c.m.size) - c.end
	c.m.w.source(c.end, more)
	c.end += max(0, more)
	return place
}
