package audioonly

// segmentIndex collects what segment indexes (sidx; ISO/IEC 14496-12, 8.16.3) refer to:
// offsets in the source, where boxes begin, and in the virtual file.
type segmentIndex struct {
	places map[int64]int64 // from offsets in the source; -1 if not reached yet
	sizes  []segmentSize
}

// segmentSize is a field of 32 or 64 bits for the distance between two offsets.
type segmentSize struct {
	place    int64
	wide     bool
	kind     int64 // the highest bit
	anchor   int64 // offset in the virtual file; -1 if it is that of from
	from, to int64 // offsets in the source
}

// maxSegments bounds the references of all indexes.
const maxSegments = 100_000

// writeIndex appends a segment index whose sizes are still those of the source.
func (m *mp4) writeIndex(b box) {
	if b.size() > maxSegments*12+64 || !m.fragmented() {
		m.fail("the file's index is too large")
		return
	}
	wide := m.bytes(b.body, 1)[0] > 0
	field := b.body + 16
	var first, count int64
	if wide {
		field = b.body + 20
		first = m.uint64(field)
		count = field + 8
	} else {
		first = m.uint32(field)
		count = field + 4
	}
	refs := m.uint32(count) & 0xFFFF
	if count+4+refs*12 > b.end || first > m.size || len(m.sidx.sizes)+int(refs) > maxSegments {
		m.contradiction()
		return
	}
	content := make([]byte, b.size())
	m.read(content, b.at)
	if m.err != nil {
		return
	}
	place := m.w.literal(content)
	from := b.end + first
	m.sidx.add(segmentSize{place: place + field - b.at, wide: wide, anchor: m.w.size, from: b.end, to: from})
	for k := range refs {
		at := count + 4 + k*12 - b.at
		size := be32(content[at:])
		to := from + size&0x7FFFFFFF
		m.sidx.add(segmentSize{place: place + at, kind: size &^ 0x7FFFFFFF, anchor: -1, from: from, to: to})
		from = to
	}
}

func (x *segmentIndex) add(s segmentSize) {
	if x.places == nil {
		x.places = map[int64]int64{}
	}
	if s.anchor < 0 {
		x.places[s.from] = -1
	}
	x.places[s.to] = -1
	x.sizes = append(x.sizes, s)
}

// reached says that a box begins at an offset in the source, and where that is in the
// virtual file.
func (x *segmentIndex) reached(at, place int64) {
	if v, ok := x.places[at]; ok && v < 0 {
		x.places[at] = place
	}
}

// patch sets the sizes.
func (x *segmentIndex) patch(m *mp4) {
	for _, s := range x.sizes {
		from, to := s.anchor, x.places[s.to]
		if from < 0 {
			from = x.places[s.from]
		}
		if m.err != nil || from < 0 || to < from || to-from >= 1<<31 {
			m.contradiction()
			return
		}
		if s.wide {
			m.w.patch64(s.place, to-from)
		} else {
			m.w.patch32(s.place, s.kind|to-from)
		}
	}
}
