package ffmpeg

import (
	"bufio"
	"errors"
	"io"

	"github.com/soundextract/sx/server/sniff"
)

const (
	tsPacket = 188
	tsSync   = 0x47
	// tsEnds is how much of the end of a transport stream, and of the beginning of the next, is
	// read to compare their clocks: seconds of the densest recordings.
	tsEnds = 16 << 20
	// tsStep is how much later the next packet of audio may begin, in units of 90 kHz: a second,
	// which is more than recorders put into one packet.
	tsStep = 90_000
	tsWrap = 1<<33 - 1 // timestamps have 33 bits
)

// continuesTS reports whether a transport stream continues another one, as where a recorder
// has only begun another file: the packets line up and the clock of an audio stream goes on.
// Then the bytes of both are one transport stream, in which an elementary stream's packet may
// begin in one file and end in the next.
func continuesTS(in *source, a, b file) (bool, error) {
	if a.format.Demuxer != "mpegts" || b.format.Demuxer != "mpegts" {
		return false, nil
	}
	unit, lead, err := tsUnit(in, a)
	if err != nil {
		return false, err
	}
	nextUnit, nextLead, err := tsUnit(in, b)
	if err != nil || unit == 0 || unit != nextUnit || lead != nextLead || (a.end-a.base)%unit != 0 {
		return false, err
	}
	from := max(a.base, a.end-tsEnds/unit*unit)
	last := map[int]int64{}
	if err := tsTimes(in.between(from, a.end), unit, lead, func(pid int, pts int64) bool {
		last[pid] = pts
		return true
	}); err != nil {
		return false, err
	}
	seen, continued := map[int]bool{}, false
	err = tsTimes(in.between(b.base, min(b.end, b.base+tsEnds)), unit, lead, func(pid int, pts int64) bool {
		before, ok := last[pid]
		step := (pts - before) & tsWrap
		if ok && !seen[pid] && step > 0 && step <= tsStep {
			continued = true
		}
		seen[pid] = true
		return !continued
	})
	return continued, err
}

// tsUnit returns the distance of the packets of a transport stream, and how many bytes precede
// each; 0 if the first packet is not at its beginning.
func tsUnit(in *source, f file) (unit, lead int64, err error) {
	head := make([]byte, min(sniff.Len, f.end-f.base))
	if _, err := io.ReadFull(in.between(f.base, f.end), head); err != nil {
		return 0, 0, err
	}
	for _, u := range []struct{ unit, lead int64 }{{tsPacket, 0}, {192, 4}, {192, 0}, {204, 0}} {
		n := int64(0)
		for at := u.lead; at < int64(len(head)) && head[at] == tsSync; at += u.unit {
			n++
		}
		if n >= 2 && u.lead+n*u.unit >= int64(len(head)) {
			return u.unit, u.lead, nil
		}
	}
	return 0, 0, nil
}

// tsTimes calls found with the timestamps at which packets of audio begin, until it returns
// false. See ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6.
func tsTimes(r io.Reader, unit, lead int64, found func(pid int, pts int64) bool) error {
	buffered := bufio.NewReaderSize(r, 1<<16)
	for {
		b, err := buffered.Peek(int(unit))
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if pid, pts, ok := audioTime(b[lead:][:min(tsPacket, unit-lead)]); ok && !found(pid, pts) {
			return nil
		}
		if _, err := buffered.Discard(int(unit)); err != nil {
			return err
		}
	}
}

// audioTime returns the timestamp of the audio packet that begins in a packet of a transport
// stream.
func audioTime(p []byte) (pid int, pts int64, ok bool) {
	if p[0] != tsSync || p[1]&0x40 == 0 || p[3]&0x10 == 0 {
		return 0, 0, false
	}
	payload := p[4:]
	if p[3]&0x20 != 0 { // an adaptation field
		payload = payload[min(1+int(p[4]), len(payload)):]
	}
	if len(payload) < 14 || payload[0] != 0 || payload[1] != 0 || payload[2] != 1 || payload[7]&0x80 == 0 {
		return 0, 0, false
	}
	switch id := payload[3]; {
	case id >= 0xC0 && id <= 0xDF: // MPEG audio and AAC
	case id == 0xBD, id == 0xFD: // AC-3, DTS, LPCM
	default:
		return 0, 0, false
	}
	t := payload[9:]
	pts = int64(t[0]>>1&7)<<30 | int64(t[1])<<22 | int64(t[2]>>1)<<15 | int64(t[3])<<7 | int64(t[4]>>1)
	return int(p[1]&0x1F)<<8 | int(p[2]), pts, true
}
