package id3

import (
	"bytes"
	"fmt"
	"strings"
)

// Texts are the tags that people edit; "" is none.
type Texts struct {
	Title, Artist, Album string
}

// Change is a change of Texts. A nil value leaves the tag as it is, "" removes it.
type Change struct {
	Title, Artist, Album *string
}

// edited lists the frames of Texts in the order of the tag, each with the frame by
// which it is sorted.
var edited = []struct {
	id, sort string
	text     func(*Texts) *string
	change   func(Change) *string
}{
	{"TIT2", "TSOT", func(t *Texts) *string { return &t.Title }, func(c Change) *string { return c.Title }},
	{"TPE1", "TSOP", func(t *Texts) *string { return &t.Artist }, func(c Change) *string { return c.Artist }},
	{"TALB", "TSOA", func(t *Texts) *string { return &t.Album }, func(c Change) *string { return c.Album }},
}

// Size returns the size in bytes of the tag with which an MP3 begins, of which at least
// the first 10 bytes are given; 0 if there is none.
func Size(first []byte) int64 {
	h, ok := parseHeader(first, "ID3")
	if !ok {
		return 0
	}
	return h.length()
}

// Main returns the texts of a tag.
func Main(tag []byte) Texts {
	found := Parse(tag)
	var t Texts
	for _, e := range edited {
		for _, f := range found.Frames {
			if f.ID == e.id {
				*e.text(&t) = strings.Join(f.Values, ", ")
				break
			}
		}
	}
	return t
}

// Rewrite changes a tag made by Build, or makes one if it is empty. All other frames
// keep their bytes. The result is not smaller than the tag.
func Rewrite(tag []byte, c Change) ([]byte, error) {
	frames, err := split(tag)
	if err != nil {
		return nil, err
	}
	w := newWriter()
	for _, e := range edited {
		switch text := e.change(c); {
		case text == nil:
			w.raw(frames, e.id)
		case cleanLine(*text) != "":
			w.frame(Frame{ID: e.id, Values: []string{shorten(cleanLine(*text), maxLine)}})
		}
	}
	for _, f := range frames {
		if !c.replaces(string(f[:4])) {
			w.Write(f)
		}
	}
	made := w.tag()
	return Pad(made, max(len(tag), len(made)))
}

// replaces reports whether the frame is among the edited ones, which come first, or
// sorts by a text that is changed.
func (c Change) replaces(id string) bool {
	for _, e := range edited {
		if id == e.id || id == e.sort && e.change(c) != nil {
			return true
		}
	}
	return false
}

// raw writes the frames with the ID.
func (w *writer) raw(frames [][]byte, id string) {
	for _, f := range frames {
		if string(f[:4]) == id {
			w.Write(f)
		}
	}
}

// split returns the frames of a tag with their headers, without the padding.
func split(tag []byte) (frames [][]byte, err error) {
	if len(tag) == 0 {
		return nil, nil
	}
	h, ok := parseHeader(tag, "ID3")
	if !ok || h.version != 4 || h.flags != 0 || h.length() != int64(len(tag)) {
		return nil, fmt.Errorf("the tag (%d bytes) was not written by SoundExtract", len(tag))
	}
	for b := tag[HeaderSize:]; len(b) > 0 && b[0] != 0; {
		if len(b) < frameHeader || syncsafe(b[4:]) > int64(len(b)-frameHeader) {
			return nil, fmt.Errorf("the tag ends within the frame %q", bytes.TrimRight(b[:min(4, len(b))], "\x00"))
		}
		n := frameHeader + int(syncsafe(b[4:]))
		frames, b = append(frames, b[:n]), b[n:]
	}
	return frames, nil
}
