package parallel

import (
	"math"

	"github.com/soundextract/sx/server/mp3"
)

// Numbers of frames. No encoder documents them: they were found by comparing chunks with
// single passes, and by simulating the slowest of LAME's states (the adjustment of its
// threshold of hearing, which falls by at most 7.5 % a frame, from 1 to 0.000625, and so
// forgets in 95 frames of silence).
const (
	minLead  = 192 // lead-in after which an agreement counts
	agreeing = 16  // frames in a row that must be the same
	leadVBR  = 200
	leadCBR  = 245 // the reservoir has to agree too, which takes up to 261 frames
	tail     = 48  // how far a chunk is encoded into the next one
	step     = 64  // by how much more, up to twice, where nothing agrees in the tail
	// lag is how many frames an encoder may hold back: those whose space later main data
	// fills (511 bytes of reservoir are up to 11 frames), 2 of LAME's delay, and what
	// ffmpeg buffers, which may be 8.
	lag = 24
)

const toTheEnd = math.MaxInt64

// run is a part of the recording that one encoder encodes without a break. All
// positions are numbers of frames. The stream's lock protects it.
type run struct {
	process *process
	first   int64 // where the lead-in starts
	accept  int64 // where the lead-in is long enough
	start   int64 // where its chunk starts
	limit   int64 // where it pauses
	fed     int64 // bytes: where the next PCM is to be read

	frames   []*mp3.Frame // from position next on
	next     int64
	paused   bool // the encoder has got all PCM up to limit
	closed   bool // its frames are no longer needed
	attempts int

	inputEnded bool // the encoder has got the last PCM
	ended      bool // and has written the last frame

	reservoir reservoir
	dependent bool // one of its first frames may depend on the reservoir
	steered   bool // its encoder was made with the reservoir of a single encoder
	// agreed counts the frames in a row that the run before has too.
	agreed int
}

// reservoir is what is known of an encoder's bit reservoir.
type reservoir struct {
	exact bool // it is that of a single encoder
	equal int  // how many frames in a row have the same main_data_begin
}

// frame returns the frame at the position, or nil if it is not there (yet).
func (r *run) frame(at int64) *mp3.Frame {
	if i := at - r.next; i >= 0 && i < int64(len(r.frames)) {
		return r.frames[i]
	}
	return nil
}

// last returns the position after the last frame.
func (r *run) last() int64 { return r.next + int64(len(r.frames)) }

// drop forgets the frames before the position.
func (r *run) drop(before int64) {
	n := min(max(before-r.next, 0), int64(len(r.frames)))
	clear(r.frames[:n])
	r.frames = r.frames[n:]
	r.next += n
}

// complete reports whether no more frames come without a higher limit.
func (r *run) complete() bool { return r.ended || r.paused && r.last() >= r.limit-lag }
