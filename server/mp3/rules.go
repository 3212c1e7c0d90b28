package mp3

// limits are the bounds of LAME's bit reservoir in streams of one format. All sizes are
// in bits.
type limits struct {
	overhead     int // header and side information of a frame
	most         int // the most that the main data of a frame may have, and a frame with the reservoir after it
	maxReservoir int // what main_data_begin can address
	top          int // the highest index of a bit rate that LAME uses in VBR
}

// maxGranule is the most that LAME gives a granule, or one with the reservoir
// after it, in bits.
const maxGranule = 7680

func newLimits(h Header) limits {
	l := limits{
		overhead:     8 * h.offset(),
		most:         maxGranule * h.granules(),
		maxReservoir: 8 * h.maxBegin(),
		top:          topBitRateIndex,
	}
	if h.Version == MPEG25 {
		l.top = 8 // 64 kbit/s
	}
	return l
}

// rules has what LAME's bit reservoir depends on in streams of one format.
type rules struct {
	limits
	bits [topBitRateIndex + 1]int // the size of a frame without padding, by the bit rate's index
}

func newRules(h Header) rules {
	r := rules{limits: newLimits(h)}
	for i, rate := range h.bitRates() {
		r.bits[i] = 8 * h.size(rate)
	}
	return r
}

// reservoirLimit returns how much the reservoir may have after a frame of the
// given size.
func (l *limits) reservoirLimit(frame int) int {
	return max(min(l.most-frame, l.maxReservoir), 0)
}

// capacity returns how many bits of main data fit into a frame of the given size
// and the reservoir before it.
func (r *rules) capacity(frame, reservoir int) int {
	return min(frame-r.overhead+min(reservoir, r.reservoirLimit(frame)), r.most)
}

// bitRateIndex returns the index of the bit rate that LAME gives to a frame of a
// VBR stream, and whether its main data fits. It is the lowest at which the main
// data fits, unless that leaves more unused than a reservoir after a frame of the
// highest bit rate may have at each higher one.
func (r *rules) bitRateIndex(bits, reservoir int) (index int, fits bool) {
	lowest := 1
	for lowest < r.top && r.capacity(r.bits[lowest], reservoir) < bits {
		lowest++
	}
	index = lowest
	if limit := r.reservoirLimit(r.bits[r.top]); limit > 0 && bits > 0 {
		index = r.top
		for index > lowest && r.capacity(r.bits[index], reservoir)-bits > limit {
			index--
		}
	}
	return index, bits <= r.capacity(r.bits[index], reservoir)
}
