package audioonly

const (
	// stubSize is the size of a stub's sample, enough for the picture that it describes.
	stubSize = 16
	// maxStub bounds the duration of a stub's sample.
	maxStub = 1 << 31
	// maxHidden is the number of pictures from which those before the start of the edit
	// list matter: ffmpeg looks at the first hundred packets.
	maxHidden = 50
)

// writeStub appends the table of samples of a picture track: one sample, or several where
// the duration has more than 31 bits, which begins and ends when the track does.
func (m *mp4) writeStub(t *mp4Track) {
	if t.samples == 0 {
		m.writeEmpty()
		return
	}
	m.checkPicture(t)
	start := m.earliest(t)
	n := (t.ticks + maxStub - 1) / maxStub
	n = max(1, n)
	if n > 1000 {
		m.contradiction()
		return
	}
	m.writeRaw()
	each := t.ticks / n
	if n == 1 {
		m.w.full("stts", 0, 1, 1, uint32(each))
	} else {
		m.w.full("stts", 0, 2, uint32(n-1), uint32(each), 1, uint32(t.ticks-each*(n-1)))
	}
	if start != 0 {
		version := uint32(0)
		if start < 0 {
			version = 1 << 24
		}
		m.w.full("ctts", version, 1, uint32(n), uint32(start))
	}
	m.w.full("stsc", 0, 1, 1, 1, 1)
	m.w.full("stsz", 0, stubSize, uint32(n))
	m.data = append(m.data, &trackData{stub: n, place: m.offsetTable(n)})
}

// checkPicture reads the tables that the stub replaces, because ffmpeg does not read a file
// in which any of them is damaged.
func (m *mp4) checkPicture(t *mp4Track) {
	const maxSize = 1 << 30 // of a sample
	c := m.chunks(t)
	for k, ok := c.next(); ok; k, ok = c.next() {
		m.checkPlace(k)
		if k.size > maxSize {
			m.contradiction()
		}
	}
	if t.samples != c.sizes.count {
		m.contradiction()
	}
	for _, list := range []struct {
		kind  string
		width int
	}{{"stss", 4}, {"ctts", 8}} {
		if b, ok := m.child(t.stbl, list.kind); ok {
			m.table(b, 0, list.width)
		}
	}
}

// writeEmpty appends the table of a picture track whose samples are in fragments.
func (m *mp4) writeEmpty() {
	m.writeRaw()
	m.w.full("stts", 0, 0)
	m.w.full("stsc", 0, 0)
	m.w.full("stsz", 0, 0, 0)
	m.w.full("stco", 0, 0)
}

// writeRaw appends the description of an uncompressed picture of 2 by 2 pixels (QuickTime
// File Format, Video Sample Description): 12 bytes of red, green and blue.
func (m *mp4) writeRaw() {
	const resolution, depth, noColors = 72 << 16, 24, 0xFFFF
	stsd := m.w.open("stsd")
	m.w.words(0, 1)
	entry := m.w.open("raw ")
	m.w.words(0, 1, 0, 0, 0, 0, 2<<16|2, resolution, resolution, 0, 1<<16)
	m.w.zeros(30) // the rest of the compressor's name
	m.w.literal([]byte{0, depth, noColors >> 8, noColors & 0xFF})
	m.w.close(entry)
	m.w.close(stsd)
}

// earliest returns when the earliest picture is shown, in the media: the stub is shown
// then too.
func (m *mp4) earliest(t *mp4Track) int64 {
	const look = 500 // samples
	var offsets *table
	if ctts, ok := m.child(t.stbl, "ctts"); ok {
		offsets = m.table(ctts, 0, 8)
	}
	times := m.table(m.need(t.stbl, "stts"), 0, 8)
	from := int64(-1 << 62)
	if t.edits.segments > 0 {
		from = t.edits.start
	}
	var best, dts, delta, offset int64
	var sameDelta, sameOffset, hidden int64
	found := false
	for range min(look, t.samples) {
		for sameDelta == 0 {
			b := times.next()
			if b == nil {
				break
			}
			sameDelta, delta = be32(b), be32(b[4:])
		}
		for offsets != nil && sameOffset == 0 {
			b := offsets.next()
			if b == nil {
				offset, offsets = 0, nil
				break
			}
			sameOffset, offset = be32(b), int64(int32(be32(b[4:])))
		}
		if pts := dts + offset; pts < from {
			hidden++
		} else if !found || pts < best {
			best, found = pts, true
		}
		dts += delta
		sameDelta--
		sameOffset--
	}
	if !found || hidden > maxHidden {
		m.fail("the pictures begin in the middle of their track")
	}
	if best != int64(int32(best)) {
		m.contradiction()
	}
	return best
}
