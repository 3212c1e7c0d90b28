package audioonly

import (
	"time"
)

// fragmentTrack is what is known about a track that continues in fragments.
type fragmentTrack struct {
	*mp4Track
	extends        bool  // moov says that it may continue
	duration, size int64 // of a sample, by default
	next           int64 // when the next fragment begins, in the track's time scale
	sent           int64 // duration of the fragments so far
	begins         int64 // when the first fragment begins; -1 if there is none
	// first and last are the fragments, as indices of boxes, in which the stub of a picture
	// track has a sample.
	first, last int
	// before is how much earlier than its decoding time a picture is shown, at most so far.
	// ffmpeg shows all pictures later by as much.
	before int64
}

// fragment is a movie fragment (moof; ISO/IEC 14496-12, 8.8.4).
type fragment struct {
	moof  box
	list  []box // children of moof
	parts []*part
}

// part is what a fragment has of a track (traf).
type part struct {
	traf     box
	track    *fragmentTrack
	list     []box // children of traf
	tfhd     box
	flags    int64 // of tfhd
	optional int64 // where tfhd's optional fields begin, without the base data offset
	time     int64 // of the first sample; -1 if the fragment does not state it
	duration int64
	earliest int64 // when ffmpeg shows the first sample, from time
	runs     []run
}

// run is a number of samples that are stored together (trun).
type run struct {
	box
	flags int64
	count int64
	at    int64 // of the samples in the source
	bytes int64
	place int64 // of the offset in the virtual file's trun
	track *mp4Track
}

// Flags (ISO/IEC 14496-12, 8.8.7 and 8.8.8).
const (
	baseOffset      = 0x1
	description     = 0x2
	defaultDuration = 0x8
	defaultSize     = 0x10
	baseIsMoof      = 0x20000

	runOffset     = 0x1
	runFirstFlags = 0x4
	runDuration   = 0x100
	runSize       = 0x200
	runFlags      = 0x400
	runShift      = 0x800
)

// writeFragments appends the fragments and what is between them.
func (m *mp4) writeFragments() {
	all := m.fragmentTracks()
	m.scanFragments(all)
	m.checkFragmentStarts(all)
	for i := m.first; i < len(m.boxes) && m.err == nil; i++ {
		b := m.boxes[i]
		m.sidx.reached(b.at, m.w.size)
		switch b.kind {
		case "moof":
			m.writeFragment(m.fragment(b, all), i)
		case "sidx":
			m.writeIndex(b)
		case "mdat", "free", "skip", "wide", "ssix", "mfra":
		default:
			m.w.copy(b)
		}
		if m.w.memory() > m.limit {
			m.fail("the file's index is too large")
		}
	}
	m.sidx.reached(m.size, m.w.size)
	m.sidx.patch(m)
}

// fragmentTracks returns the tracks by their ID, with their defaults.
func (m *mp4) fragmentTracks() map[int64]*fragmentTrack {
	all := map[int64]*fragmentTrack{}
	for _, t := range m.tracks {
		if all[t.id] != nil {
			m.contradiction()
		}
		all[t.id] = &fragmentTrack{mp4Track: t, begins: -1, first: -1, last: -1}
	}
	mvex := m.need(m.movie, "mvex")
	if m.err != nil {
		return all
	}
	for _, b := range m.children(mvex.body, mvex.end) {
		if t := all[m.uint32(b.body+4)]; b.kind == "trex" && t != nil {
			t.extends, t.duration, t.size = true, m.uint32(b.body+12), m.uint32(b.body+16)
		}
	}
	return all
}

// scanFragments finds out where each track begins, and the first and last fragment of the
// pictures.
func (m *mp4) scanFragments(all map[int64]*fragmentTrack) {
	for i := m.first; i < len(m.boxes) && m.err == nil; i++ {
		if m.boxes[i].kind != "moof" {
			continue
		}
		for _, traf := range m.children(m.boxes[i].body, m.boxes[i].end) {
			if traf.kind != "traf" {
				continue
			}
			list := m.children(traf.body, traf.end)
			tfhd := m.need(list, "tfhd")
			if m.err != nil {
				return
			}
			t := all[m.uint32(tfhd.body+4)]
			if t == nil {
				m.contradiction()
				return
			}
			if t.last = i; t.first < 0 {
				t.first = i
				t.begins = max(0, m.decodeTime(list))
			}
		}
	}
}

// decodeTime returns the time of a traf's first sample, or -1 if it does not state it.
func (m *mp4) decodeTime(traf []box) int64 {
	tfdt, ok := m.child(traf, "tfdt")
	if !ok || m.err != nil {
		return -1
	}
	if m.bytes(tfdt.body, 1)[0] == 1 {
		return m.uint64(tfdt.body + 4)
	}
	return m.uint32(tfdt.body + 4)
}

// checkFragmentStarts is checkStarts for tracks that begin in fragments.
func (m *mp4) checkFragmentStarts(all map[int64]*fragmentTrack) {
	const none = time.Duration(1<<63 - 1)
	earliest := none
	starts := map[int64]time.Duration{}
	for id, t := range all {
		if t.begins >= 0 && t.samples == 0 && (t.handler == "soun" || t.handler == "vide") {
			starts[id] = t.mp4Track.duration(t.begins)
			earliest = min(earliest, starts[id])
		}
	}
	for id, start := range starts {
		if all[id].handler == "soun" && start-earliest > maxLate {
			m.fail("the audio begins late")
		}
	}
}

// fragment reads a fragment.
func (m *mp4) fragment(moof box, all map[int64]*fragmentTrack) fragment {
	f := fragment{moof: moof, list: m.children(moof.body, moof.end)}
	m.refuseEncrypted(f.list)
	after := moof.at // where the data of the part before ends
	for _, b := range f.list {
		if b.kind != "traf" || m.err != nil {
			continue
		}
		if len(f.parts) == maxTracks {
			m.contradiction()
		}
		p := m.part(b, all, moof.at, after)
		if n := len(p.runs); n > 0 {
			after = p.runs[n-1].at + p.runs[n-1].bytes
		}
		f.parts = append(f.parts, p)
	}
	return f
}

// part reads a traf. after is the offset from which data is counted if it does not
// state one.
func (m *mp4) part(traf box, all map[int64]*fragmentTrack, moof, after int64) *part {
	p := &part{traf: traf, list: m.children(traf.body, traf.end)}
	m.refuseEncrypted(p.list)
	p.tfhd = m.need(p.list, "tfhd")
	if m.err != nil {
		return p
	}
	t := all[m.uint32(p.tfhd.body+4)]
	if t == nil || !t.extends {
		m.contradiction()
		return p
	}
	p.track, p.flags, p.optional = t, m.uint32(p.tfhd.body)&0xFFFFFF, p.tfhd.body+8
	base := after
	switch {
	case p.flags&baseOffset != 0:
		base = m.uint64(p.optional)
		p.optional += 8
	case p.flags&baseIsMoof != 0:
		base = moof
	}
	at, duration, size := p.optional, t.duration, t.size
	if p.flags&description != 0 {
		at += 4
	}
	if p.flags&defaultDuration != 0 {
		duration = m.uint32(at)
		at += 4
	}
	if p.flags&defaultSize != 0 {
		size = m.uint32(at)
	}
	p.time = m.decodeTime(p.list)
	p.earliest = 1 << 40
	for _, b := range p.list {
		if b.kind == "trun" && m.err == nil {
			p.runs = append(p.runs, m.run(p, b, base, duration, size))
		}
	}
	p.earliest += t.before
	return p
}

// run reads a trun.
func (m *mp4) run(p *part, b box, base, duration, size int64) run {
	u := run{box: b, flags: m.uint32(b.body), count: m.uint32(b.body + 4), track: p.track.mp4Track}
	if u.flags&runOffset == 0 || b.body-b.at != 8 {
		m.fail("fragments without data offsets have not been compared")
		return u
	}
	u.at = base + int64(int32(m.uint32(b.body+8)))
	at, width := b.body+12, 0
	if u.flags&runFirstFlags != 0 {
		at += 4
	}
	for _, flag := range []int64{runDuration, runSize, runFlags, runShift} {
		if u.flags&flag != 0 {
			width += 4
		}
	}
	if width == 0 {
		if u.count > 0 {
			p.earliest = min(p.earliest, p.duration)
		}
		p.duration += u.count * duration
		u.bytes = u.count * min(size, 1<<30)
		if u.count > 0 {
			m.checkSample(p, size)
		}
		return u
	}
	if u.count > (b.end-at)/int64(width) {
		m.contradiction()
		return u
	}
	entries := &table{r: m.boxReader, at: at, left: u.count, width: width}
	for e := entries.next(); e != nil; e = entries.next() {
		d, n, shift := duration, size, int64(0)
		for _, field := range []struct {
			flag int64
			v    *int64
		}{{runDuration, &d}, {runSize, &n}, {runFlags, nil}, {runShift, &shift}} {
			if u.flags&field.flag == 0 {
				continue
			}
			if field.v != nil {
				*field.v = be32(e)
			}
			e = e[4:]
		}
		m.checkSample(p, n)
		p.track.before = max(p.track.before, -int64(int32(shift)))
		p.earliest = min(p.earliest, p.duration+int64(int32(shift)))
		p.duration += d
		u.bytes += n
	}
	return u
}

// checkSample refuses samples without data among those that are not sent: ffmpeg reads no
// fragment that has one.
func (m *mp4) checkSample(p *part, size int64) {
	if size == 0 && p.track.role != kept {
		m.contradiction()
	}
}
