package audioonly

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"
)

// Packet identifiers and table identifiers of ISO/IEC 13818-1, 2.4.4, and of DVB (ETSI EN
// 300 468, 5.1.3).
const (
	tsPATPID  = 0
	tsSDTPID  = 0x11
	tsNullPID = 0x1FFF
	tsPIDs    = 1 << 13

	tsPATTable = 0
	tsPMTTable = 2
)

// tsKind is what a stream is.
type tsKind byte

const (
	tsUnknown tsKind = iota // not declared by a table
	tsPicture
	tsSound // sound, or what may be sound
	tsOther // subtitles and data
)

// tsKindOf returns the kind of a stream from its type and descriptors in the program map
// table. Types that mean pictures only by some registrations, and private types, may be
// sound.
func tsKindOf(streamType byte, descriptors []byte) tsKind {
	switch streamType {
	case 0x01, 0x02, // MPEG-1 and MPEG-2
		0x10, 0x1B, 0x20, 0x24, 0x33, // MPEG-4, H.264, its second view, H.265, H.266
		0x21,                   // JPEG 2000
		0x42, 0xD1, 0xD2, 0xD4, // AVS, Dirac, AVS2, AVS3
		0xEA: // VC-1
		return tsPicture
	case 0x15, 0x90, 0x91, 0x92: // metadata, and Blu-ray's subtitles and menus
		return tsOther
	case 0x06:
		for tag := range tsDescriptors(descriptors) {
			switch tag {
			case 0x45, 0x46, 0x56, 0x59: // VBI data, VBI teletext, teletext, subtitles
				return tsOther
			}
		}
	}
	return tsSound
}

// tsLanguage returns the language in the descriptor for it (2.6.18) as ffmpeg does: several
// are separated by commas.
func tsLanguage(descriptors []byte) string {
	var languages []string
	for tag, b := range tsDescriptors(descriptors) {
		for ; tag == 0x0A && len(b) >= 4; b = b[4:] {
			languages = append(languages, string(b[:3]))
		}
	}
	return strings.Join(languages, ",")
}

// tsDescriptors returns the tags and contents of descriptors.
func tsDescriptors(b []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for len(b) >= 2 {
			end := min(len(b), 2+int(b[1]))
			if !yield(b[0], b[2:end]) {
				return
			}
			b = b[end:]
		}
	}
}

// tsTable reads the tables of a PID.
type tsTable struct {
	buf  []byte // the section that is not complete yet, or nil
	last []byte // the last packet that was one whole section, from its fourth byte on
	kept int64  // how many packets had been kept when this PID's last one was
}

const maxSection = 3 + 1<<12 // bytes

// add takes the payload of a packet and calls emit with each complete section.
func (t *tsTable) add(payload []byte, start bool, emit func([]byte) error) error {
	if !start {
		if t.buf == nil {
			return nil
		}
		t.buf = append(t.buf, payload...)
		return t.emit(emit)
	}
	if len(payload) == 0 || 1+int(payload[0]) > len(payload) {
		t.buf = nil
		return nil
	}
	pointer := 1 + int(payload[0])
	if t.buf != nil {
		t.buf = append(t.buf, payload[1:pointer]...)
		if err := t.emit(emit); err != nil {
			return err
		}
	}
	t.buf = bytes.Clone(payload[pointer:])
	return t.emit(emit)
}

// emit calls the function with the complete sections in buf, and keeps the rest.
func (t *tsTable) emit(emit func([]byte) error) error {
	for len(t.buf) >= 3 && t.buf[0] != 0xFF {
		n := 3 + int(binary.BigEndian.Uint16(t.buf[1:])&0xFFF)
		if len(t.buf) < n {
			return nil
		}
		if err := emit(t.buf[:n]); err != nil {
			return err
		}
		t.buf = t.buf[n:]
	}
	if len(t.buf) == 0 || t.buf[0] == 0xFF || len(t.buf) > maxSection {
		t.buf = nil
	}
	return nil
}

// tsSectionKey identifies a section of a table.
type tsSectionKey struct {
	pid    uint16
	id     byte
	extend uint16
	number byte
}

// crcMPEG returns the CRC of ISO/IEC 13818-1, annex A. It is 0 for a section with its own.
func crcMPEG(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			carry := crc >> 31
			crc <<= 1
			crc ^= carry * 0x04C11DB7
		}
	}
	return crc
}

// section reads a section of the program association or a program map table. It returns
// an error if a table changes in a way that this scan cannot follow.
func (s *tsScan) section(pid uint16, b []byte) error {
	want := byte(tsPMTTable)
	if pid == tsPATPID {
		want = tsPATTable
	}
	if len(b) < 12 || b[0] != want || b[1]&0x80 == 0 || b[5]&1 == 0 || crcMPEG(b) != 0 {
		return nil // ffmpeg ignores it, too
	}
	key := tsSectionKey{pid: pid, id: b[0], extend: binary.BigEndian.Uint16(b[3:]), number: b[6]}
	body := b[8 : len(b)-4]
	crc := binary.BigEndian.Uint32(b[len(b)-4:])
	seen, ok := s.sections[key]
	if ok && seen == crc {
		return nil
	}
	if len(s.sections) >= maxSections {
		return wholeFile("the file has too many programs")
	}
	s.sections[key] = crc
	if ok || s.headDone {
		if err := s.change(); err != nil {
			return err
		}
	}
	if pid == tsPATPID {
		return s.pat(body)
	}
	return s.pmt(body)
}

const maxSections = 1 << 10

// pat reads a section of the program association table (2.4.4.3).
func (s *tsScan) pat(b []byte) error {
	for ; len(b) >= 4; b = b[4:] {
		p := &s.pids[binary.BigEndian.Uint16(b[2:])&0x1FFF]
		if binary.BigEndian.Uint16(b) == 0 || p.table != nil { // 0: the network table
			continue
		}
		if p.kind != tsUnknown {
			return errTSTables
		}
		if s.programs++; s.programs > maxPrograms {
			return wholeFile("the file has too many programs")
		}
		p.table = &tsTable{}
	}
	return nil
}

const maxPrograms = 256

var errTSTables = wholeFile("the file's tables contradict each other")

// pmt reads a section of a program map table (2.4.4.8).
func (s *tsScan) pmt(b []byte) error {
	if len(b) < 4 {
		return nil
	}
	b = b[min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])&0xFFF)):]
	for len(b) >= 5 {
		pid := binary.BigEndian.Uint16(b[1:]) & 0x1FFF
		end := min(len(b), 5+int(binary.BigEndian.Uint16(b[3:])&0xFFF))
		if err := s.declare(pid, b[0], b[5:end]); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

// declare sets the kind of a stream. What was not a picture once is never left out.
func (s *tsScan) declare(pid uint16, coding byte, descriptors []byte) error {
	p, kind := &s.pids[pid], tsKindOf(coding, descriptors)
	switch {
	case p.table != nil:
		return errTSTables
	case p.kind == kind, p.kind == tsSound:
		return nil
	case p.kind == tsPicture && p.dropping:
		return wholeFile("a stream of pictures becomes a stream of something else")
	case p.kind != tsUnknown:
		kind = tsSound
	}
	p.kind, p.coding, p.language = kind, coding, tsLanguage(descriptors)
	if kind == tsSound {
		s.sounds = append(s.sounds, pid)
	}
	return nil
}
