package id3

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/bogem/id3v2/v2"
)

// Sizes of the headers of tags and frames in bytes.
const (
	HeaderSize  = 10
	frameHeader = 10
)

// writer writes a tag of version 2.4. The library encodes the bodies of the frames that
// it knows; the order of the frames, which it would change from run to run, links and
// tables of contents are ours (docs/decisions/0019-id3v24.md).
type writer struct {
	bytes.Buffer
}

func newWriter() *writer {
	w := &writer{}
	w.WriteString("ID3\x04\x00\x00\x00\x00\x00\x00")
	return w
}

// tag returns the complete tag, or nil if it has no frames.
func (w *writer) tag() []byte {
	if w.Len() == HeaderSize {
		return nil
	}
	putSize(w.Bytes()[6:], w.Len()-HeaderSize)
	return w.Bytes()
}

// putSize writes a number of bytes below 2^28 into four bytes, whose highest bits are 0
// (structure, section 6.2).
func putSize(b []byte, size int) {
	for i := range 4 {
		b[i] = byte(size>>(7*(3-i))) & 0x7F
	}
}

// body is what the library's frames have in common.
type body interface {
	Size() int
	io.WriterTo
}

// put writes a frame.
func (w *writer) put(id string, b body) {
	start := w.Len()
	w.WriteString(id)
	w.Write(make([]byte, frameHeader-len(id)))
	b.WriteTo(w) //nolint:errcheck // a buffer does not fail, and the texts can be encoded
	putSize(w.Bytes()[start+len(id):], w.Len()-start-frameHeader)
}

func (w *writer) frame(f Frame) {
	w.put(f.ID, encode(f))
}

// size returns the size of a frame in bytes.
func (w *writer) size(f Frame) int {
	return frameHeader + encode(f).Size()
}

// encode returns the body of a frame (frames, section 4).
func encode(f Frame) body {
	// Strings are separated by zeros in 2.4 (frames, section 4.2).
	text := strings.Join(f.Values, "\x00")
	code := encoding(f.Description + text)
	language := f.Language
	if language == "" {
		language = "XXX" // unknown (frames, section 4)
	}
	switch {
	case f.ID == "UFID":
		return id3v2.UnknownFrame{Body: append([]byte(f.Description+"\x00"), f.Data...)}
	case len(f.Values) == 0:
		return id3v2.UnknownFrame{Body: f.Data}
	case f.ID == "TXXX":
		return id3v2.UserDefinedTextFrame{Encoding: code, Description: f.Description, Value: text}
	case f.ID == "COMM":
		return id3v2.CommentFrame{Encoding: code, Language: language, Description: f.Description, Text: text}
	case f.ID == "USLT":
		return id3v2.UnsynchronisedLyricsFrame{Encoding: code, Language: language, ContentDescriptor: f.Description, Lyrics: text}
	case f.ID == "WXXX":
		return id3v2.UnknownFrame{Body: []byte(string(rune(code.Key)) + f.Description + "\x00" + text)}
	case f.ID[0] == 'W':
		return id3v2.UnknownFrame{Body: []byte(text)}
	default:
		return id3v2.TextFrame{Encoding: code, Text: text}
	}
}

// encoding returns the encoding of a text: UTF-8, or ISO 8859-1 for ASCII, whose bytes
// are the same and which every player reads.
func encoding(s string) id3v2.Encoding {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return id3v2.EncodingUTF8
		}
	}
	return id3v2.EncodingISO
}

const frontCover = 3 // picture type (frames, section 4.14)

func (w *writer) cover(picture []byte, mime string) {
	w.Grow(len(picture) + maxName) // in one step, since it can be large
	w.put("APIC", id3v2.PictureFrame{
		Encoding: id3v2.EncodingISO, MimeType: mime, PictureType: frontCover, Picture: picture,
	})
}

// chapters writes the chapters and their tables of contents (chapter addendum).
func (w *writer) chapters(chapters []Chapter) {
	if len(chapters) == 0 {
		return
	}
	ids := make([]string, len(chapters))
	for i := range chapters {
		ids[i] = chapterID(i)
	}
	w.contents("toc", ids)
	for i, ch := range chapters {
		w.put("CHAP", id3v2.ChapterFrame{
			ElementID: ids[i], StartTime: ch.Start, EndTime: ch.End,
			StartOffset: id3v2.IgnoredOffset, EndOffset: id3v2.IgnoredOffset,
			Title: &id3v2.TextFrame{Encoding: encoding(ch.Title), Text: ch.Title},
		})
	}
}

const (
	maxEntries = 255 // of a table of contents, whose count has one byte
	topLevel   = 2   // flags of a table of contents
	ordered    = 1
)

// contents writes a table of contents. If it has too many entries, it has tables of its
// own as entries. Only the outermost one is marked as such.
func (w *writer) contents(id string, entries []string) {
	flags := byte(ordered)
	if id == "toc" {
		flags |= topLevel
	}
	var inner [][]string
	if len(entries) > maxEntries {
		names := []string{}
		for part := range slices.Chunk(entries, maxEntries) {
			names = append(names, tableID(len(inner)))
			inner = append(inner, part)
		}
		entries = names
	}
	var b bytes.Buffer
	b.WriteString(id)
	b.Write([]byte{0, flags, byte(len(entries))})
	for _, e := range entries {
		b.WriteString(e)
		b.WriteByte(0)
	}
	w.put("CTOC", id3v2.UnknownFrame{Body: b.Bytes()})
	for i, part := range inner {
		w.contents(tableID(i), part)
	}
}
