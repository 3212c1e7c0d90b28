package id3

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	maxRead    = 4096    // frames of a tag
	maxInflate = 4 << 20 // bytes of a tag's compressed frames
)

// Flags of a tag (structure, section 3.1, and the older versions').
const (
	unsynchronized = 1 << 7
	extended       = 1 << 6 // in 2.2: compressed in a way that was never defined
	footer         = 1 << 4
)

// header is the header or footer of a tag of version 2.
type header struct {
	version byte
	flags   byte
	size    int64 // without header and footer
}

func parseHeader(b []byte, magic string) (header, bool) {
	if len(b) < HeaderSize || string(b[:3]) != magic || b[3] < 2 || b[3] > 4 || (b[6]|b[7]|b[8]|b[9])&0x80 != 0 {
		return header{}, false
	}
	return header{version: b[3], flags: b[5], size: syncsafe(b[6:])}, true
}

// length returns the size of the tag with header and footer.
func (h header) length() int64 {
	n := h.size + HeaderSize
	if h.version == 4 && h.flags&footer != 0 {
		n += HeaderSize
	}
	return n
}

// syncsafe returns the number in four bytes of 7 bits each.
func syncsafe(b []byte) int64 {
	return int64(b[0]&0x7F)<<21 | int64(b[1]&0x7F)<<14 | int64(b[2]&0x7F)<<7 | int64(b[3]&0x7F)
}

// read adds the frames in the tag's body, which may be cut.
func (h header) read(t *Tag, b []byte) {
	if h.version == 2 && h.flags&extended != 0 {
		return
	}
	if h.version < 4 && h.flags&unsynchronized != 0 {
		b = synchronize(b)
	}
	if h.flags&extended != 0 && len(b) >= 4 {
		skip := syncsafe(b) // includes itself in 2.4
		if h.version == 3 {
			skip = int64(binary.BigEndian.Uint32(b)) + 4
		}
		b = b[min(skip, int64(len(b))):]
	}
	p := parser{header: h, tag: t, inflate: maxInflate}
	for range maxRead {
		id, flags, size, ok := p.frameHeader(b)
		if !ok {
			break
		}
		b = b[p.headerSize():]
		if data, ok := p.plain(b[:size], flags); ok {
			p.frame(id, data)
		}
		b = b[size:]
	}
	p.finish()
}

// synchronize undoes unsynchronization: the zero after each FF is removed (structure,
// section 6.1).
func synchronize(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte{0xFF, 0}, []byte{0xFF})
}

// parser reads the frames of one tag.
type parser struct {
	header
	tag               *Tag
	inflate           int64  // bytes that compressed frames may still have
	year, day, minute string // TYER, TDAT and TIME of 2.3, which 2.4 has in one frame
}

func (p *parser) headerSize() int64 {
	if p.version == 2 {
		return 6
	}
	return frameHeader
}

// frameHeader parses the header of the frame at the start of b. It returns false where
// no complete frame follows.
func (p *parser) frameHeader(b []byte) (id string, flags uint16, size int64, ok bool) {
	n := p.headerSize()
	if int64(len(b)) < n || !isFrameID(b[:3]) {
		return "", 0, 0, false
	}
	left := int64(len(b)) - n
	if p.version == 2 {
		size = int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
		return string(b[:3]), 0, size, size <= left
	}
	if !isFrameID(b[3:4]) && b[3] != ' ' && b[3] != 0 { // some programs only extend an ID of 2.2
		return "", 0, 0, false
	}
	size = int64(binary.BigEndian.Uint32(b[4:]))
	if p.version == 4 {
		// Some programs write sizes as in 2.3. They differ from 128 on; what follows
		// the frame tells which one is right.
		if safe := syncsafe(b[4:]); safe != size {
			plausible := (b[4]|b[5]|b[6]|b[7])&0x80 == 0 && safe <= left
			if plausible && (size > left || isEnd(b[n+safe:]) || !isEnd(b[n+size:])) {
				size = safe
			}
		}
	}
	return string(b[:4]), binary.BigEndian.Uint16(b[8:]), size, size <= left
}

func isFrameID(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isEnd reports whether b is what follows a frame: another one, padding, or nothing.
func isEnd(b []byte) bool {
	return len(b) == 0 || b[0] == 0 || len(b) >= frameHeader && isFrameID(b[:4])
}

// plain returns the data of a frame without the encodings that its flags name (structure,
// section 4.1.2; 2.3, section 3.3.1).
func (p *parser) plain(b []byte, flags uint16) ([]byte, bool) {
	if p.version == 2 {
		return b, true
	}
	grouped, compressed, encrypted, inflated := flags&0x20 != 0, flags&0x80 != 0, flags&0x40 != 0, 4
	if p.version == 4 {
		grouped, compressed, encrypted = flags&0x40 != 0, flags&8 != 0, flags&4 != 0
		inflated = 0
		if flags&1 != 0 {
			inflated = 4 // data length indicator
		}
	} else if !compressed {
		inflated = 0
	}
	skip := inflated
	if grouped {
		skip++
	}
	if encrypted || len(b) < skip {
		return nil, false
	}
	b = b[skip:]
	if p.version == 4 && (flags&2 != 0 || p.flags&unsynchronized != 0) {
		b = synchronize(b)
	}
	if compressed {
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, false
		}
		b, err = io.ReadAll(io.LimitReader(z, p.inflate+1))
		if p.inflate -= int64(len(b)); err != nil || p.inflate < 0 {
			return nil, false
		}
	}
	return b, true
}

// current has the IDs of 2.4 for those of 2.2, and those that programs used before 2.4.
var current = map[string]string{
	"COM": "COMM", "IPL": "TIPL", "PCS": "PCST", "PIC": "APIC", "TAL": "TALB", "TBP": "TBPM", "TCM": "TCOM",
	"TCO": "TCON", "TCP": "TCMP", "TCR": "TCOP", "TCT": "TCAT", "TDS": "TDES", "TID": "TGID", "TKE": "TKEY",
	"TKW": "TKWD", "TLA": "TLAN", "TMT": "TMED", "TOA": "TOPE", "TOL": "TOLY", "TOR": "TDOR", "TOT": "TOAL",
	"TP1": "TPE1", "TP2": "TPE2", "TP3": "TPE3", "TP4": "TPE4", "TPA": "TPOS", "TPB": "TPUB", "TRC": "TSRC",
	"TRK": "TRCK", "TS2": "TSO2", "TSA": "TSOA", "TSC": "TSOC", "TSP": "TSOP", "TST": "TSOT", "TT1": "TIT1",
	"TT2": "TIT2", "TT3": "TIT3", "TXT": "TEXT", "TXX": "TXXX", "UFI": "UFID", "ULT": "USLT", "WAF": "WOAF",
	"WAR": "WOAR", "WAS": "WOAS", "WCM": "WCOM", "WCP": "WCOP", "WFD": "WFED", "WPB": "WPUB", "WXX": "WXXX",
	"TYE": "TYER", "TDA": "TDAT", "TIM": "TIME", "TEN": "TENC", "TSS": "TSSE",
	"IPLS": "TIPL", "TORY": "TDOR", "XDOR": "TDOR", "XSOA": "TSOA", "XSOP": "TSOP", "XSOT": "TSOT",
}

// frame adds a frame.
func (p *parser) frame(id string, b []byte) {
	id = strings.TrimRight(id, " \x00")
	if newer, ok := current[id]; ok {
		id = newer
	}
	if len(id) != 4 || len(b) == 0 {
		return // one of 2.2 that nobody used
	}
	switch f := (Frame{ID: id}); {
	case id == "APIC":
		p.picture(b)
		return
	case id == "TXXX":
		values := decode(b[0], b[1:])
		f.Description = values[0]
		f.Values = values[1:]
		p.add(f)
	case id == "COMM" || id == "USLT":
		if len(b) < 4 {
			return
		}
		values := decode(b[0], b[4:])
		f.Language, f.Description = string(b[1:4]), values[0]
		// A zero in the text ends it (2.3), or is a mistake.
		f.Values = values[1:min(2, len(values))]
		p.add(f)
	case id == "WXXX":
		rest := cut(b[0], b[1:])
		f.Description = decode(b[0], rest[0])[0]
		f.Values = decode(latin1, rest[1])[:1]
		p.add(f)
	case id == "UFID":
		owner, data, _ := bytes.Cut(b, []byte{0})
		f.Description, f.Data = toUTF8(string(owner)), data
		p.add(f)
	case id[0] == 'T':
		f.Values = decode(b[0], b[1:])
		p.text(f)
	case id[0] == 'W':
		f.Values = decode(latin1, b)[:1]
		p.add(f)
	default:
		f.Data = b
		p.add(f)
	}
}

func (p *parser) add(f Frame) {
	p.tag.Frames = append(p.tag.Frames, f)
}

// text adds a text frame.
func (p *parser) text(f Frame) {
	if len(f.Values) == 0 {
		return
	}
	switch first := cleanLine(f.Values[0]); f.ID {
	case "TYER":
		p.year = first
	case "TDAT": // DDMM
		if len(first) == 4 {
			p.day = "-" + first[2:] + "-" + first[:2]
		}
	case "TIME": // HHMM
		if len(first) == 4 {
			p.minute = "T" + first[:2] + ":" + first[2:]
		}
	default:
		p.add(f)
	}
}

// finish adds what several frames of an old tag say together.
func (p *parser) finish() {
	if p.year != "" {
		p.add(Frame{ID: "TDRC", Values: []string{p.year + p.day + p.minute}})
	}
}

// picture adds a picture. In 2.2, a format of three letters is in place of the media type.
func (p *parser) picture(b []byte) {
	code, rest := b[0], b[1:]
	if p.version == 2 {
		if len(rest) < 3 {
			return
		}
		rest = rest[3:]
	} else {
		rest = cut(latin1, rest)[1]
	}
	if len(rest) < 1 {
		return
	}
	kind := PictureType(rest[0])
	parts := cut(code, rest[1:])
	if len(parts[1]) == 0 {
		return
	}
	p.tag.Pictures = append(p.tag.Pictures, Picture{Type: kind, Title: cleanLine(decode(code, parts[0])[0]), Data: parts[1]})
}

// Encodings of texts (structure, section 4).
const (
	latin1    = 0
	utf16BOM  = 1
	utf16BE   = 2
	firstNone = 4 // from here on, none is defined
)

// cut cuts b at the first terminator of the encoding. The second part is empty if there
// is none.
func cut(code byte, b []byte) [2][]byte {
	if code != utf16BOM && code != utf16BE {
		before, after, _ := bytes.Cut(b, []byte{0})
		return [2][]byte{before, after}
	}
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return [2][]byte{b[:i], b[i+2:]}
		}
	}
	return [2][]byte{b, nil}
}

// decode returns the strings in b, at least one. Empty ones at the end are left out.
func decode(code byte, b []byte) []string {
	var values []string
	var order binary.ByteOrder
	if code >= firstNone {
		code = latin1
	}
	for len(b) > 0 && len(values) < maxValues {
		parts := cut(code, b)
		raw := parts[0]
		b = parts[1]
		if code != utf16BOM && code != utf16BE {
			values = append(values, toUTF8(string(raw))) // many programs declare UTF-8 as ISO 8859-1
			continue
		}
		switch {
		case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
			order, raw = binary.LittleEndian, raw[2:]
		case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
			order, raw = binary.BigEndian, raw[2:]
		case order != nil: // as in the string before
		case code == utf16BE, len(raw) > 0 && raw[0] == 0:
			order = binary.BigEndian
		default:
			order = binary.LittleEndian
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = order.Uint16(raw[2*i:])
		}
		values = append(values, string(utf16.Decode(units)))
	}
	for len(values) > 1 && values[len(values)-1] == "" {
		values = values[:len(values)-1]
	}
	if len(values) == 0 {
		return []string{""}
	}
	return slices.Clip(values)
}
