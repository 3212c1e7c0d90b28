package audioonly

import (
	"slices"
	"time"
)

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

// beginningLength is how much is sent of a track of which only the beginning is needed. ffmpeg
// looks at 16 s.
const beginningLength = 20 * time.Second

// writeOffsets appends the table of the offsets of a track's chunks.
func (m *mp4) writeOffsets(t *mp4Track) {
	c := m.chunks(t)
	if m.err != nil {
		return
	}
	count := c.offsets.count
	if count*m.width()+m.w.memory() > m.limit {
		m.fail("the file's index is too large")
		return
	}
	d := &trackData{chunks: c, limit: c.sizes.count, place: m.offsetTable(count), track: t}
	if length := t.duration(t.ticks); t.role == beginning && length > beginningLength {
		d.limit = int64(float64(d.limit) * (float64(beginningLength) / float64(length)))
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
		if m.w.memory() > m.limit {
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
			m.checkPlace(next)
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
