package audioonly

// chunk is a number of samples that are stored together.
type chunk struct {
	at      int64 // in the source
	size    int64 // in bytes, by the table of sizes
	reach   int64 // bytes that may be read; not less than size
	samples int64
}

// chunks reads the chunks of a track one after another (ISO/IEC 14496-12, 8.7).
type chunks struct {
	r       *boxReader
	offsets *table
	runs    *table // of chunks with as many samples each
	sizes   *sizes
	sound   soundFormat
	// descriptions is the number of sample entries.
	descriptions int64

	number int64 // of the chunk that was returned last, from 1
	each   int64 // samples in a chunk of the current run
	until  int64 // number of the first chunk of the next run
	then   int64 // samples in a chunk of the next run
	taken  int64 // samples so far
}

func (r *boxReader) chunks(t *mp4Track) *chunks {
	c := &chunks{r: r, runs: r.table(r.need(t.stbl, "stsc"), 0, 12), sizes: r.sizes(t.stbl), sound: t.sound, descriptions: t.descriptions}
	if co64, ok := r.child(t.stbl, "co64"); ok {
		c.offsets = r.table(co64, 0, 8)
	} else {
		c.offsets = r.table(r.need(t.stbl, "stco"), 0, 4)
	}
	c.run()
	return c
}

// run reads where the next run begins.
func (c *chunks) run() {
	const none = 1 << 40
	c.each = c.then
	b := c.runs.next()
	if b == nil {
		c.until = none
		return
	}
	first := be32(b)
	if first <= c.number || c.number == 0 && c.until == 0 && first != 1 {
		c.r.contradiction()
	}
	c.until, c.then = first, be32(b[4:])
	// ffmpeg makes up other numbers where one is 0.
	if d := be32(b[8:]); c.then < 1 || d < 1 || d > c.descriptions {
		c.r.contradiction()
	}
}

// next returns the next chunk, or false after the last or an error.
func (c *chunks) next() (chunk, bool) {
	b := c.offsets.next()
	if b == nil {
		if c.taken != c.sizes.count {
			c.r.contradiction()
		}
		return chunk{}, false
	}
	if c.number++; c.number == c.until {
		c.run()
	}
	k := chunk{at: be32(b), samples: c.each}
	if c.offsets.width == 8 {
		k.at = be64(b)
	}
	if c.taken += k.samples; c.taken > c.sizes.count || k.at < 0 || k.at > 1<<60 {
		c.r.contradiction()
		return chunk{}, false
	}
	k.size = c.sizes.sum(k.samples)
	k.reach = max(k.size, c.sound.size(k.samples))
	return k, c.r.err == nil
}

// sizes are those of a track's samples.
type sizes struct {
	r       *boxReader
	count   int64
	same    int64 // if it is not 0, all have this size
	entries *table
	bits    int // of an entry
}

func (r *boxReader) sizes(stbl []box) *sizes {
	s := &sizes{r: r, bits: 32}
	stsz, ok := r.child(stbl, "stsz")
	if !ok {
		stsz = r.need(stbl, "stz2")
		if r.err != nil {
			return s
		}
		s.bits = int(r.bytes(stsz.body+7, 1)[0])
	} else {
		s.same = r.uint32(stsz.body + 4)
	}
	s.count = r.uint32(stsz.body + 8)
	switch {
	case s.same > 0:
	case s.bits == 32 || s.bits == 16 || s.bits == 8:
		s.entries = r.table(stsz, 4, s.bits/8)
	default:
		r.fail("the file's table of sample sizes has an unusual form")
	}
	return s
}

// next returns the size of the next sample.
func (s *sizes) next() int64 {
	if s.same > 0 {
		return s.same
	}
	if s.r.err != nil || s.entries == nil {
		return 0
	}
	b := s.entries.next()
	if b == nil {
		s.r.contradiction()
		return 0
	}
	v := int64(0)
	for _, x := range b {
		v = v<<8 | int64(x)
	}
	return v
}

// sum returns the size of the next n samples.
func (s *sizes) sum(n int64) int64 {
	if s.same > 0 {
		if n > maxChunk/s.same {
			s.r.contradiction()
			return 0
		}
		return n * s.same
	}
	total := int64(0)
	for ; n > 0 && s.r.err == nil; n-- {
		total += s.next()
	}
	return total
}
