package audioonly

// soundFormat says how many bytes the samples of a sound description of QuickTime have
// (Apple, QuickTime File Format, Sound Sample Descriptions). There the table of sizes can
// be wrong: it may count frames of one byte.
type soundFormat struct {
	frame   int64 // bytes of one sample of all channels, if it is not compressed
	samples int64 // that are stored together in bytes
	bytes   int64
}

// widths are the bytes of a sample of one channel in formats whose field of bits is often
// wrong.
var widths = map[string]int64{"in24": 3, "in32": 4, "fl32": 4, "fl64": 8}

// soundFormat reads a sample entry.
func (r *boxReader) soundFormat(entry box) soundFormat {
	if entry.end-entry.body < 28 {
		r.contradiction()
		return soundFormat{}
	}
	b := r.bytes(entry.body, 28)
	version := b[9]
	channels, bits := int64(b[16])<<8|int64(b[17]), int64(b[18])<<8|int64(b[19])
	f := soundFormat{frame: channels * max((bits+7)/8, widths[entry.kind])}
	switch {
	case entry.kind == "ima4":
		f = soundFormat{samples: 64, bytes: 34 * channels}
	case version == 1 && entry.end-entry.body >= 44:
		b := r.bytes(entry.body+28, 16)
		if f.samples, f.bytes = be32(b), be32(b[8:]); f.samples > 1 && f.bytes > 0 {
			f.frame = 0 // it is compressed, whatever the field of bits says
		}
	case version == 2 && entry.end-entry.body >= 64:
		b := r.bytes(entry.body+40, 24)
		f.frame = be32(b) * max((be32(b[8:])+7)/8, widths[entry.kind])
		f.bytes, f.samples = be32(b[16:]), be32(b[20:])
	}
	return f
}

// max returns a format whose size is at least that of both.
func (f soundFormat) max(g soundFormat) soundFormat {
	f.frame = max(f.frame, g.frame)
	if g.size(1<<20) > f.size(1<<20) {
		f.samples, f.bytes = g.samples, g.bytes
	}
	return f
}

// maxChunk bounds the bytes of a chunk.
const maxChunk = 1 << 40

// size returns how many bytes n samples may have.
func (f soundFormat) size(n int64) int64 {
	size := n * min(f.frame, 1<<16)
	if f.samples > 0 {
		size = max(size, (n+f.samples-1)/f.samples*min(f.bytes, 1<<20))
	}
	return min(size, maxChunk)
}
