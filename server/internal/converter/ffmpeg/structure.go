package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"github.com/soundextract/sx/server/mp3"
)

// structure is what a file's container says about its own size. Only what the demuxer
// does not notice itself is read.
type structure struct {
	// end is the size that the file should have, in bytes; 0 if it does not say. If there
	// is less, the file was cut.
	end int64
	// next is where another file begins that was appended; 0 if there is none.
	next int64
	// fix is a correction of a header that declares less audio than follows.
	fix *patch
}

// walker reads a file's structure. What cannot be read is empty.
type walker struct {
	r    io.ReadSeeker
	size int64
}

// at returns n bytes at an offset, or nil if there are not that many.
func (w *walker) at(offset int64, n int) []byte {
	b := make([]byte, n)
	if offset < 0 || offset > w.size-int64(n) {
		return nil
	}
	if _, err := w.r.Seek(offset, io.SeekStart); err != nil {
		return nil
	}
	if _, err := io.ReadFull(w.r, b); err != nil {
		return nil
	}
	return b
}

// maxChunks bounds how many chunks or boxes are looked at.
const maxChunks = 64

// examine reads the structure of the file, whose format has the given demuxer.
func examine(r io.ReadSeeker, size int64, demuxer string) structure {
	w := &walker{r, size}
	switch demuxer {
	case "wav":
		return w.wav()
	case "aiff":
		return w.iff("SSND", binary.BigEndian)
	case "avi":
		return w.avi()
	case "mov":
		return w.boxes()
	case "caf":
		return w.caf()
	case "asf":
		return w.asf()
	case "flv":
		return w.flv()
	case "mp3":
		return w.mp3()
	}
	return structure{}
}

func (w *walker) wav() structure {
	if head := w.at(0, 4); string(head) != "RIFF" {
		return structure{} // RF64, whose sizes are written at the end, and RIFX
	}
	return w.iff("data", binary.LittleEndian)
}

// iff walks chunks of an identifier, a size of 32 bits and data, to the one with the
// audio. See EA IFF 85, and Microsoft's Multimedia Programming Interface for RIFF.
func (w *walker) iff(audio string, order binary.ByteOrder) structure {
	at := int64(12)
	for range maxChunks {
		head := w.at(at, 8)
		if head == nil {
			return structure{}
		}
		size := int64(order.Uint32(head[4:]))
		end := at + 8 + size
		if string(head[:4]) != audio {
			at = end + size&1
			continue
		}
		switch {
		case size == 0 || size >= math.MaxInt32-1:
			return structure{} // not known when the header was written
		case end >= w.size:
			return structure{end: end}
		}
		end += size & 1
		rest := w.at(end, 4)
		switch {
		case string(rest) == "RIFF" || string(rest) == "FORM":
			return structure{next: end}
		case w.size-end < 1<<10 || w.chunks(end, order):
			return structure{}
		}
		actual := min(w.size-at-8, math.MaxUint32)
		fixed := make([]byte, 4)
		order.PutUint32(fixed, uint32(actual)) //nolint:gosec // bounded above
		return structure{fix: &patch{at + 4, fixed}}
	}
	return structure{}
}

// chunks reports whether the rest of the file consists of chunks.
func (w *walker) chunks(at int64, order binary.ByteOrder) bool {
	for range maxChunks {
		if w.size-at < 8 {
			return true
		}
		head := w.at(at, 8)
		if head == nil { // the store failed, which the source remembers
			return true
		}
		for _, c := range head[:4] {
			if c < ' ' || c > '~' {
				return false
			}
		}
		size := int64(order.Uint32(head[4:]))
		if at += 8 + size + size&1; at > w.size+1 {
			return false
		}
	}
	return true
}

// avi walks the RIFF chunks of an AVI file (OpenDML has several).
func (w *walker) avi() structure {
	at := int64(0)
	for range maxChunks {
		head := w.at(at, 12)
		switch {
		case head == nil || string(head[:4]) != "RIFF":
			return structure{}
		case at > 0 && string(head[8:]) == "AVI ":
			return structure{next: at}
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		if size == 0 {
			return structure{}
		}
		if at += 8 + size + size&1; at > w.size+1 {
			return structure{end: at}
		}
	}
	return structure{}
}

// boxes walks the boxes of an MP4 or QuickTime file (ISO/IEC 14496-12, 4.2).
func (w *walker) boxes() structure {
	at, index := int64(0), false
	for range maxChunks {
		head := w.at(at, 8)
		if head == nil {
			return structure{}
		}
		size := int64(binary.BigEndian.Uint32(head))
		if size == 1 {
			large := w.at(at+8, 8)
			if large == nil {
				return structure{}
			}
			size = int64(binary.BigEndian.Uint64(large) & math.MaxInt64) //nolint:gosec // masked
		}
		switch kind := string(head[4:]); {
		case kind == "ftyp" && index && at > 0:
			return structure{next: at}
		case kind == "moov":
			index = true
		}
		if size < 8 || size > w.size-at {
			if size >= 8 && size < 1<<50 && index {
				return structure{end: at + size}
			}
			return structure{}
		}
		at += size
	}
	return structure{}
}

// caf walks the chunks of a Core Audio file (Apple, Core Audio Format Specification 1.0).
func (w *walker) caf() structure {
	at := int64(8)
	for range maxChunks {
		head := w.at(at, 12)
		if head == nil {
			return structure{}
		}
		size := int64(binary.BigEndian.Uint64(head[4:])) //nolint:gosec // negative means unknown
		if size < 0 || size > 1<<50 {
			return structure{}
		}
		if at += 12 + size; at > w.size {
			return structure{end: at}
		}
	}
	return structure{}
}

// asf reads the file size in the File Properties Object (Microsoft, ASF 1.20, 3.2).
func (w *walker) asf() structure {
	head := w.at(0, int(min(w.size, 1<<16)))
	i := bytes.Index(head, []byte("\xA1\xDC\xAB\x8C\x47\xA9\xCF\x11\x8E\xE4\x00\xC0\x0C\x20\x53\x65"))
	if i < 0 || len(head) < i+92 {
		return structure{}
	}
	size, flags := binary.LittleEndian.Uint64(head[i+40:]), binary.LittleEndian.Uint32(head[i+88:])
	if flags&1 != 0 || size > 1<<50 { // a broadcast
		return structure{}
	}
	return structure{end: int64(size)} //nolint:gosec // bounded above
}

// flv reads the file size in onMetaData (Adobe, Flash Video 10.1, annex E.5).
func (w *walker) flv() structure {
	head := w.at(0, int(min(w.size, 1<<14)))
	_, number, ok := bytes.Cut(head, []byte("filesize\x00"))
	if !ok || len(number) < 8 {
		return structure{}
	}
	size := math.Float64frombits(binary.BigEndian.Uint64(number))
	if !(size > 0 && size < 1<<50) {
		return structure{}
	}
	return structure{end: int64(size)}
}

// mp3 reads the size in the Xing header.
func (w *walker) mp3() structure {
	start, err := afterID3(w.r, w.size)
	if err != nil {
		return structure{}
	}
	info, err := mp3.ReadInfo(w.at(start, int(max(0, min(w.size-start, 512)))))
	if err != nil || info.Bytes <= 0 {
		return structure{}
	}
	return structure{end: start + info.Bytes}
}
