package audioonly

import "bytes"

// isMP3 reports whether a sample entry declares MP3, or an older layer.
func (r *boxReader) isMP3(entry box) bool {
	if entry.kind == ".mp3" {
		return true
	}
	if entry.kind != "mp4a" {
		return false
	}
	b := make([]byte, min(entry.end-entry.body, 1<<10))
	r.read(b, entry.body)
	_, b, ok := bytes.Cut(b, []byte("esds\x00\x00\x00\x00\x03")) // ISO/IEC 14496-1, 7.2.6.5
	if !ok {
		return false
	}
	const head, objectType = 3, 0 // of the ES descriptor; in the decoder's configuration
	b = afterLength(b)
	if len(b) <= head || b[head] != 4 {
		return false
	}
	b = afterLength(b[head+1:])
	return len(b) > objectType && (b[objectType] == 0x69 || b[objectType] == 0x6B)
}

// afterLength returns what follows the length of a descriptor.
func afterLength(b []byte) []byte {
	for len(b) > 0 && b[0]&0x80 != 0 {
		b = b[1:]
	}
	return b[min(1, len(b)):]
}

// checkFormat refuses MP3 whose format changes: ffmpeg takes that of the last frame that
// it looks at in advance, and without the pictures it looks at more of them. It reads the
// first frame of each chunk: size bytes of the track from an offset on.
func (m *mp4) checkFormat(t *mp4Track, at, size int64) {
	if !t.mp3 || size < 4 || at+4 > m.size {
		return
	}
	b := make([]byte, 4)
	m.read(b, at)
	if m.err != nil {
		return
	}
	mono := b[3]&0xC0 == 0xC0
	// Version, layer, sample rate and whether there is one channel (ISO/IEC 11172-3, 2.4.1.3).
	format := [3]byte{b[1] & 0xFE, b[2] & 0x0C, 0}
	if mono {
		format[2] = 1
	}
	if b[0] != 0xFF || t.format != [3]byte{} && t.format != format {
		m.fail("the format of the MP3 changes")
	}
	t.format = format
}
