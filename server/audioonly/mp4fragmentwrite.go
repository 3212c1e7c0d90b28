package audioonly

import (
	"slices"
	"time"
)

// writeFragment appends a fragment, unless nothing of it is sent. i is its index.
func (m *mp4) writeFragment(f fragment, i int) {
	if m.err != nil {
		return
	}
	for _, p := range f.parts {
		for _, u := range p.runs {
			m.checkRun(u, i)
		}
	}
	f.parts = slices.DeleteFunc(f.parts, func(p *part) bool { return !m.sends(p, i) })
	if m.err != nil || len(f.parts) == 0 {
		return
	}
	moof := m.w.open("moof")
	n := 0
	for _, b := range f.list {
		switch {
		case b.kind != "traf":
			m.w.copy(b)
		case n < len(f.parts) && f.parts[n].traf == b:
			m.writePart(f.parts[n])
			n++
		}
	}
	m.w.close(moof)
	m.writeFragmentData(f, moof.at)
}

// sends reports whether a part is sent, and counts it.
func (m *mp4) sends(p *part, i int) bool {
	t := p.track
	if t == nil {
		return false
	}
	if t.handler == "soun" && p.time >= 0 && t.next > 0 && t.mp4Track.duration(p.time-t.next) > longPause {
		m.fail("the audio has a pause of more than %d minutes", longPause/time.Minute)
	}
	if p.time >= 0 {
		t.next = p.time
	}
	t.next += p.duration
	sent := t.sent
	t.sent += p.duration
	switch t.role {
	case picture:
		return i == t.first || i == t.last
	case beginning:
		return t.mp4Track.duration(sent) < beginningLength
	default:
		return true
	}
}

// writePart appends a traf, in which data offsets are still missing.
func (m *mp4) writePart(p *part) {
	traf := m.w.open("traf")
	if p.track.role == picture {
		m.writeStubPart(p)
		m.w.close(traf)
		return
	}
	n := 0
	for _, b := range p.list {
		switch b.kind {
		case "tfhd":
			o := m.w.open("tfhd")
			m.w.words(uint32(p.flags&^baseOffset|baseIsMoof), uint32(p.track.id))
			m.w.source(p.optional, b.end-p.optional)
			m.w.close(o)
		case "trun":
			u := &p.runs[n]
			n++
			m.w.source(b.at, 16)
			u.place = m.w.words(0)
			m.w.source(b.at+20, b.end-b.at-20)
		default:
			m.w.copy(b)
		}
	}
	m.w.close(traf)
}

// writeStubPart appends what a picture track's traf consists of: one tiny sample that
// begins and ends when the pictures do.
func (m *mp4) writeStubPart(p *part) {
	m.w.full("tfhd", baseIsMoof, uint32(p.track.id))
	if tfdt, ok := m.child(p.list, "tfdt"); ok {
		m.w.copy(tfdt)
	}
	u := run{bytes: -1}
	if p.earliest != int64(int32(p.earliest)) || p.duration >= maxStub {
		if len(p.runs) == 0 {
			p.runs = nil
			return
		}
		m.contradiction()
		return
	}
	trun := m.w.open("trun")
	m.w.words(1<<24|runOffset|runDuration|runSize|runShift, 1)
	u.place = m.w.words(0)
	m.w.words(uint32(p.duration), stubSize, uint32(p.earliest))
	m.w.close(trun)
	p.runs = []run{u}
}

// writeFragmentData appends the data of a fragment whose moof is at an offset in the
// virtual file.
func (m *mp4) writeFragmentData(f fragment, moof int64) {
	var runs []run
	for _, p := range f.parts {
		runs = append(runs, p.runs...)
	}
	slices.SortStableFunc(runs, func(a, b run) int { return int(min(1, max(-1, a.at-b.at))) })
	m.openData()
	c := copier{m: m}
	for _, u := range runs {
		at := m.w.size
		if u.bytes < 0 {
			m.w.zeros(stubSize)
		} else {
			m.checkFormat(u.track, u.at, u.bytes)
			at = c.take(u.at, u.bytes)
		}
		if at-moof >= 1<<31 {
			m.contradiction()
		}
		if m.err != nil {
			return
		}
		m.w.patch32(u.place, at-moof)
	}
	m.closeData(m.w.size)
}

// checkRun refuses samples that are not in the data that follows their fragment, whose
// index is i.
func (m *mp4) checkRun(u run, i int) {
	for _, b := range m.boxes[i+1:] {
		if b.kind == "moof" {
			break
		}
		if b.kind == "mdat" && u.at >= b.body && u.at+u.bytes <= b.end {
			return
		}
	}
	if u.count > 0 {
		m.contradiction()
	}
}
