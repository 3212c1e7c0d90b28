package audioonly

import (
	"errors"
	"slices"

	"github.com/soundextract/sx/server/internal/tracks"
)

// tsMode is how a transport stream is scanned.
type tsMode struct {
	// careful keeps as much as ffmpeg reads to find streams, at the beginning, at each
	// change of the streams and at the end.
	careful bool
	// track selects the audio tracks to keep, see Options; empty means all.
	track string
}

// errTSMode ends a scan that must begin again in another mode.
var errTSMode = errors.New("another mode is needed")

const (
	// headPackets is how much is kept at the beginning: more than twice the first packets
	// of which the converter reads the times. A packet of sound counts 2, one of a picture,
	// which may be half of one, 1.
	headPackets = 200
	// What ffmpeg reads to find streams: 16 MB of payload (its -probesize), or 16 s (its
	// -analyzeduration), see package ffmpeg. Before probe and latest, a stream is certainly
	// found, and after probeBytes and probePayload certainly nothing is read any more.
	probeBytes   = 16_500_000
	probePayload = 18_000_000
	probe        = 14_000_000
	latest       = 13 * ptsSecond
	// lastBytes is the part at the end of the file in which ffmpeg certainly finds the
	// end of a stream: it looks in 16 MB.
	lastBytes = 12_000_000
	// maxPause is less than the pause from which the converter looks for pictures in it.
	maxPause = 9 * 60 * ptsSecond
	// holdPackets is how many packets are kept after lost synchronization.
	holdPackets = 64
	// repeatAfter is after how many kept packets a table is repeated.
	repeatAfter = 256
	// maxScrambled is how many packets may be marked as scrambled because of damage.
	maxScrambled = 16
)

// tsPID is what is known about the packets with one identifier.
type tsPID struct {
	kind     tsKind
	unwanted bool // another audio track than the one to keep
	dropping bool // its packets are being left out
	started  bool // a PES packet began
	table    *tsTable
	last     int64 // offset of the last PES packet
	pts      int64 // the last one, or noPTS
	format   uint32
	coding   byte // the type of the stream in the tables
	language string
	counter  byte // of the last packet of a stream of sound
}

// tsScan decides which packets of a transport stream are kept.
type tsScan struct {
	in   *tsWindow
	grid tsGrid
	mode tsMode
	out  layout

	pids     []tsPID
	sections map[tsSectionKey]uint32 // CRCs
	programs int
	sounds   []uint16 // in the order of their declaration
	recent   tsRecent

	headDone  bool
	completed int   // packets in the head, see headPackets
	first     int64 // the first PTS
	kept      int64 // packets
	hold      int   // packets to be kept
	bytes     int64 // to be kept
	payload   int64 // to be kept
	scrambled int
}

func newTSScan(in *tsWindow, grid tsGrid, mode tsMode) *tsScan {
	s := &tsScan{
		in: in, grid: grid, mode: mode, first: noPTS,
		pids: make([]tsPID, tsPIDs), sections: map[tsSectionKey]uint32{},
	}
	for i := range s.pids {
		s.pids[i].pts = noPTS
	}
	s.pids[tsPATPID].table, s.pids[tsSDTPID].table = &tsTable{}, &tsTable{}
	if mode.careful {
		s.bytes, s.payload = probeBytes, probePayload
	}
	return s
}

// run scans the whole file.
func (s *tsScan) run() error {
	at := s.grid.first
	s.add(0, at, true)
	for at < s.in.size {
		b, err := s.in.from(at, (tsInRow+1)*s.grid.unit)
		if err != nil {
			return err
		}
		n, err := s.packets(b, at)
		if err != nil {
			return err
		}
		if at += int64(n); n > 0 {
			continue
		}
		if n, err = s.lost(b, at); err != nil {
			return err
		}
		at += int64(n)
	}
	if err := s.finish(); err != nil {
		return err
	}
	s.recent.flush(&s.out)
	return nil
}

// packets reads units from b up to the first that is none, and returns their bytes.
func (s *tsScan) packets(b []byte, at int64) (int, error) {
	unit, n := s.grid.unit, 0
	for ; n+unit <= len(b); n += unit {
		p := b[n+s.grid.lead:][:tsPacket]
		if p[0] != tsSync {
			break
		}
		keep, err := s.packet(p, at+int64(n))
		if err != nil {
			return 0, err
		}
		if keep {
			s.kept++
		}
		s.add(at+int64(n), int64(unit), keep)
		s.bytes -= int64(unit)
		s.hold--
	}
	if s.out.memory() > maxMemory {
		return 0, wholeFile("the audio is in too many pieces")
	}
	return n, nil
}

// packet reads a packet and reports whether to keep it.
func (s *tsScan) packet(b []byte, at int64) (keep bool, err error) {
	pid := uint16(b[1]&0x1F)<<8 | uint16(b[2])
	start := b[1]&0x40 != 0
	p := &s.pids[pid]
	if p.dropping && !start && s.leavesOut(at) {
		return false, nil
	}
	if pid == tsNullPID {
		return start || !s.leavesOut(at), nil
	}
	if b[3]&0xC0 != 0 {
		if s.scrambled++; s.scrambled > maxScrambled {
			return false, wholeFile("the file is encrypted")
		}
	}
	payload := tsPayload(b)
	if p.table != nil {
		return s.table(pid, p.table, b, payload, start, at)
	}
	if p.kind == tsSound && !p.unwanted && len(payload) > 0 {
		if p.started && b[3]&0x0F != (p.counter+1)&0x0F {
			if err := s.damage(); err != nil {
				return false, err
			}
		}
		p.counter = b[3] & 0x0F
	}
	if start && beginsPES(payload) {
		if err := s.begin(p, payload, at); err != nil {
			return false, err
		}
	}
	if p.started {
		s.payload -= int64(len(payload))
	}
	if p.kind != tsPicture && !p.unwanted {
		return true, nil
	}
	switch out := s.leavesOut(at); {
	case !out:
		p.dropping = false
	case start: // what began before is kept to its end
		p.dropping = true
	}
	return !p.dropping, nil
}

// leavesOut reports whether unneeded packets at an offset are left out.
func (s *tsScan) leavesOut(at int64) bool {
	return s.headDone && s.hold <= 0 && s.bytes <= 0 && s.payload <= 0 && (!s.mode.careful || s.in.size-at > probeBytes)
}

// table reads a packet of a table. Repetitions are left out, but for one in a while, which
// ffmpeg needs if it begins in the middle of the file.
func (s *tsScan) table(pid uint16, t *tsTable, b, payload []byte, start bool, at int64) (keep bool, err error) {
	// The fourth byte has the counter.
	if start && t.buf == nil && t.last != nil && t.last[0] == b[3]&0xF0 && string(t.last[1:]) == string(b[4:]) {
		if s.leavesOut(at) && s.kept-t.kept < repeatAfter {
			return false, nil
		}
		t.kept = s.kept
		return true, nil
	}
	t.last, t.kept = nil, s.kept
	if len(payload) == 0 {
		return true, nil
	}
	err = t.add(payload, start, func(section []byte) error {
		if pid == tsSDTPID {
			return nil
		}
		return s.section(pid, section)
	})
	if err != nil {
		return false, err
	}
	if start && t.buf == nil {
		t.last = append([]byte{b[3] & 0xF0}, b[4:]...)
	}
	return true, nil
}

// begin takes note of the first packet of a PES packet.
func (s *tsScan) begin(p *tsPID, payload []byte, at int64) error {
	pts := pesTime(payload)
	if s.first == noPTS {
		s.first = pts
	}
	if !s.headDone && p.kind != tsUnknown && p.started {
		s.completed++
		if p.kind != tsPicture {
			s.completed++
		}
	}
	if s.headDone && !p.started && p.kind != tsOther && !s.expected(p, pts, at) {
		if err := s.change(); err != nil {
			return err
		}
	}
	if p.kind == tsSound || p.kind == tsUnknown {
		if err := s.sound(p, pts, payload); err != nil {
			return err
		}
	}
	p.started, p.last = true, at
	if !s.headDone && s.completed >= headPackets {
		s.headDone = true
		s.chooseTrack()
	}
	return nil
}

// expected reports whether a stream that begins after the head is nevertheless found by
// ffmpeg at the beginning, with and without the pictures: the only sound, early enough.
func (s *tsScan) expected(p *tsPID, pts, at int64) bool {
	return p.kind == tsSound && len(s.sounds) == 1 && at < probe && pts != noPTS && s.first != noPTS &&
		ptsAfter(s.first, pts) < latest
}

// sound checks a PES packet that may be sound.
func (s *tsScan) sound(p *tsPID, pts int64, payload []byte) error {
	format := pesFormat(payload)
	if format != 0 && p.format != 0 && format != p.format {
		if err := s.change(); err != nil {
			return err
		}
	}
	if format != 0 {
		p.format = format
	}
	if pts == noPTS {
		return nil
	}
	if s.pauses(p, pts) {
		return wholeFile("the audio pauses, or its clock jumps, by more than nine minutes")
	}
	p.pts = pts
	return nil
}

// pauses reports whether there is a long pause before a time, in the stream or, if it
// begins there, in the others.
func (s *tsScan) pauses(p *tsPID, pts int64) bool {
	if p.pts != noPTS {
		return ptsAfter(p.pts, pts) > maxPause
	}
	alone := true
	for _, other := range s.sounds {
		if t := s.pids[other].pts; t != noPTS {
			if ptsAfter(t, pts) <= maxPause {
				return false
			}
			alone = false
		}
	}
	return !alone || s.first != noPTS && ptsAfter(s.first, pts) > maxPause
}

// change takes note that the streams change.
func (s *tsScan) change() error {
	if !s.mode.careful {
		s.mode = tsMode{careful: true}
		return errTSMode
	}
	s.recent.keep()
	s.bytes, s.payload = probeBytes, probePayload
	return nil
}

// chooseTrack marks the audio tracks that are not to be kept, if it is certain how ffmpeg
// numbers them: there is one program, and all tracks begin in the head.
func (s *tsScan) chooseTrack() {
	if s.mode.track == "" || len(s.sections) != 2 {
		return
	}
	list := make([]tracks.Track, len(s.sounds))
	for i, pid := range s.sounds {
		p := &s.pids[pid]
		if p.format == 0 || !slices.Contains(tsPlainAudio, p.coding) {
			return
		}
		list[i].Language = p.language
	}
	chosen := tracks.Pick(list, s.mode.track)
	if len(chosen) == 0 {
		return
	}
	for i, pid := range s.sounds {
		s.pids[pid].unwanted = !slices.Contains(chosen, i)
	}
}

// tsPlainAudio are the types of streams that are one audio track each: MPEG audio, ADTS,
// (E-)AC-3, and private data, if they begin with a frame.
var tsPlainAudio = []byte{0x03, 0x04, 0x06, 0x0F, 0x81, 0x84, 0x87}

// finish checks what is known only at the end.
func (s *tsScan) finish() error {
	pictures := false
	for i := range s.pids {
		p := &s.pids[i]
		pictures = pictures || p.kind == tsPicture && p.started
		early := p.started && p.table == nil && (p.kind == tsSound || p.kind == tsUnknown) && p.last < s.in.size-lastBytes
		if early && !s.mode.careful {
			s.mode = tsMode{careful: true}
			return errTSMode
		}
	}
	if !pictures {
		return wholeFile("the file's tables declare no pictures")
	}
	return nil
}
