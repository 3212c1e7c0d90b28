package id3

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// Tag is what a source says about itself in ID3.
type Tag struct {
	Frames   []Frame // with the IDs of ID3v2.4
	Pictures []Picture
}

// Front returns the file of the front cover, or nil.
func (t Tag) Front() []byte {
	if i := Front(t.Pictures); i >= 0 {
		return t.Pictures[i].Data
	}
	return nil
}

const (
	maxTag    = 20 << 20 // bytes of tags that are read; frames further back are ignored
	maxTags   = 4        // tags in a file
	maxChunks = 1000     // chunks of a RIFF or AIFF file that are looked at
)

// Read reads the ID3 tags of an audio file: of version 2 at its start or end, or in a
// chunk of WAV and AIFF, and of version 1. For files that ffmpeg opens with a demuxer
// whose formats have no ID3 tags it returns an empty one. What is damaged is skipped; an
// error is one of r.
func Read(r io.ReadSeeker, size int64, demuxer string) (Tag, error) {
	f := &file{r: r, size: size, left: maxTag}
	var t Tag
	switch demuxer {
	case "wav":
		f.chunks(&t, "WAVE", binary.LittleEndian)
	case "aiff":
		f.chunks(&t, "AIFF", binary.BigEndian)
	case "dsf": // the header has the tag's offset
		if head := f.read(0, 28); len(head) == 28 {
			f.tags(&t, int64(binary.LittleEndian.Uint64(head[20:])))
		}
	case "mp3", "aac":
		f.tags(&t, 0)
		end := f.version1(&t)
		f.appended(&t, end)
	case "ac3", "eac3", "dts", "tta":
		f.tags(&t, 0)
	}
	if f.err != nil {
		return Tag{}, fmt.Errorf("reading the ID3 tag: %w", f.err)
	}
	return t, nil
}

// file reads parts of a file. After an error, it reads nothing more.
type file struct {
	r    io.ReadSeeker
	size int64
	left int64 // bytes of tags that are still read
	err  error
}

// read returns up to n bytes at an offset: fewer, or none, where the file has no more.
func (f *file) read(at, n int64) []byte {
	if n = min(n, f.size-at); at < 0 || n <= 0 || f.err != nil {
		return nil
	}
	if _, f.err = f.r.Seek(at, io.SeekStart); f.err != nil {
		return nil
	}
	var b bytes.Buffer
	if _, f.err = io.Copy(&b, io.LimitReader(f.r, n)); f.err != nil {
		return nil
	}
	return b.Bytes()
}

// tags reads the tags of version 2 that follow one another at an offset.
func (f *file) tags(t *Tag, at int64) {
	for range maxTags {
		h, ok := parseHeader(f.read(at, HeaderSize), "ID3")
		if !ok {
			return
		}
		body := f.read(at+HeaderSize, min(h.size, f.left))
		f.left -= int64(len(body))
		h.read(t, body)
		at += h.length()
	}
}

// appended reads a tag of version 2.4 that ends at an offset. Its footer is like a header.
func (f *file) appended(t *Tag, end int64) {
	h, ok := parseHeader(f.read(end-HeaderSize, HeaderSize), "3DI")
	if start := end - h.length(); ok && start >= 0 {
		f.tags(t, start)
	}
}

// chunks reads the tags in the chunks of an IFF file.
func (f *file) chunks(t *Tag, form string, order binary.ByteOrder) {
	at := int64(12)
	if head := f.read(0, at); len(head) < 12 || form == "WAVE" && string(head[8:12]) != form {
		return
	}
	var data64 int64 // the size of the data chunk if it has more than 32 bits (EBU Tech 3306)
	for range maxChunks {
		head := f.read(at, 8)
		if len(head) < 8 {
			return
		}
		name, size := string(head[:4]), int64(order.Uint32(head[4:]))
		at += 8
		switch name {
		case "id3 ", "ID3 ":
			f.tags(t, at)
		case "ds64":
			if b := f.read(at, 16); len(b) == 16 {
				data64 = int64(binary.LittleEndian.Uint64(b[8:]) & (1<<62 - 1))
			}
		case "data":
			if size == 0xFFFFFFFF && data64 > 0 {
				size = data64
			}
		}
		at += size + size&1
	}
}

// version1 reads a tag of version 1 in the last 128 bytes, and returns the offset of what
// follows the audio. Its values are cut at 30 bytes, so they only fill in what is missing.
func (f *file) version1(t *Tag) (end int64) {
	b := f.read(f.size-128, 128)
	if len(b) != 128 || string(b[:3]) != "TAG" {
		return f.size
	}
	add := func(id, value string) {
		missing := !slices.ContainsFunc(t.Frames, func(f Frame) bool { return f.ID == id })
		if value = cleanLine(value); value != "" && missing {
			t.Frames = append(t.Frames, Frame{ID: id, Values: []string{value}})
		}
	}
	text := func(from, to int) string {
		s, _, _ := bytes.Cut(b[from:to], []byte{0})
		return toUTF8(trimPart(string(s)))
	}
	add("TIT2", text(3, 33))
	add("TPE1", text(33, 63))
	add("TALB", text(63, 93))
	add("TDRC", text(93, 97))
	add("COMM", text(97, 127))
	if b[125] == 0 && b[126] != 0 { // ID3v1.1
		add("TRCK", fmt.Sprint(b[126]))
	}
	if int(b[127]) < len(genreNames) {
		add("TCON", genreNames[b[127]])
	}
	return f.size - 128
}

// trimPart removes the part of a UTF-8 character at the end of s, where a field of
// version 1 was cut, if the rest shows that s is UTF-8.
func trimPart(s string) string {
	for n := 1; n < utf8.UTFMax && n < len(s); n++ {
		rest := s[:len(s)-n]
		if !utf8.ValidString(s) && utf8.ValidString(rest) && utf8.RuneCountInString(rest) < len(rest) {
			return rest
		}
	}
	return s
}
