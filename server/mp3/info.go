package mp3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Offsets of the fields in an Info frame, from the end of the side information, and
// its size there. LAME's tag specification has them:
// http://gabriel.mp3-tech.org/mp3infotag.html. Numbers are big-endian.
const (
	infoFlags    = 4   // 4 bytes
	infoFrames   = 8   // 4 bytes; the Info frame itself does not count
	infoBytes    = 12  // 4 bytes; the Info frame itself counts
	infoTOC      = 16  // 100 bytes
	infoQuality  = 116 // 4 bytes
	infoEncoder  = 120 // 9 bytes
	infoDelay    = 141 // 12 bits, and 12 bits of padding
	infoLength   = 148 // 4 bytes; the Info frame itself counts
	infoMusicCRC = 152 // 2 bytes; the Info frame itself does not count
	infoTagCRC   = 154 // 2 bytes
	infoSize     = 156

	tocSize     = infoQuality - infoTOC
	encoderSize = 9
)

// The flags: which fields are there.
const (
	flagFrames = 1 << iota
	flagBytes
	flagTOC
	flagQuality
	allFlags = flagFrames | flagBytes | flagTOC | flagQuality
)

// crcSize is how much of the frame its CRC covers, in bytes: up to the CRC itself
// in stereo MPEG-1. In a shorter frame, it covers zeros after it.
const crcSize = 190

// Delay is how many samples of silence LAME puts before the sound. Decoders add
// 529 more.
const Delay = 576

// DecoderDelay is the delay of a decoder of Layer III in samples.
const DecoderDelay = 529

// FrameCount returns how many frames LAME makes of a number of samples of one channel.
// It puts 576 samples of silence before them and at least as many after them, but makes
// no frame if there are no samples.
func FrameCount(samples int64, perFrame int) int64 {
	if samples <= 0 {
		return 0
	}
	const minPadding = 576
	n := int64(perFrame)
	return (samples + Delay + minPadding + n - 1) / n
}

// Info makes the Info frame of a stream, in front of it, as FFmpeg's muxer does. The
// stream is written to it. Its memory does not depend on the length of the stream. It is
// not safe for concurrent use.
type Info struct {
	encoder string
	head    [headerSize]byte
	Header  // of the Info frame

	frames   int64
	bytes    int64 // with the Info frame
	crc      uint16
	variable bool // the frames have several bit rates
	bitRate  int  // of the first frame

	// seekPoints are samples for the table of contents: after every step-th frame, the
	// bytes up to its end. When it is full, it keeps every second one.
	step, skipped int64
	seekPoints    []int64

	partial []byte // of a header that is not complete
	rest    int    // bytes missing from the current frame
	err     error
}

// maxSeekPoints is the number of samples at which FFmpeg, following LAME, leaves out
// every second one.
const maxSeekPoints = 400

// NewInfo returns the Info frame of a stream without frames. The encoder is
// libavcodec with its version, such as "Lavc59.37", of which the frame has the
// first nine bytes. The bit rate in kbit/s is the one that the encoder was asked
// for, or 0 for VBR.
//
// For a stream of another encoder, which [Info.Copied] is for, the encoder is that
// of the stream's own Info frame, or empty, and the bit rate that of its first frame.
func NewInfo(encoder string, sampleRate, channels, bitRate int) (*Info, error) {
	head, err := infoHeader(sampleRate, channels, bitRate)
	if err != nil {
		return nil, err
	}
	i := &Info{encoder: encoder[:min(len(encoder), encoderSize)], head: head, step: 1}
	if i.Header, err = ParseHeader(head[:]); err != nil {
		return nil, err
	}
	i.bytes = int64(i.Size())
	return i, nil
}

// infoHeader returns the header of an Info frame. Its bit rate is the nearest to
// the given one at which the tag fits into the frame.
func infoHeader(sampleRate, channels, bitRate int) ([headerSize]byte, error) {
	head := [headerSize]byte{0xFF, 0xE3}
	if channels == 1 {
		head[3] = 3 << 6
	}
	for _, v := range []Version{MPEG1, MPEG2, MPEG25} {
		for rate := range sampleRates {
			head[1] = 0xE3 | byte(v)<<3 // Layer III without CRC
			head[2] = 1<<4 | byte(rate)<<2
			h, err := ParseHeader(head[:])
			if err != nil || h.SampleRate != sampleRate || channels < 1 || channels > 2 {
				continue
			}
			rates := h.bitRates()
			index := 1
			for n := 2; n <= topBitRateIndex; n++ {
				if abs(rates[n]-bitRate) < abs(rates[index]-bitRate) {
					index = n
				}
			}
			for h.size(rates[index]) < h.offset()+infoSize {
				index++
			}
			head[2] = byte(index)<<4 | byte(rate)<<2
			return head, nil
		}
	}
	return head, fmt.Errorf("no Layer III has %d channels at %d Hz", channels, sampleRate)
}

func abs(n int) int { return max(n, -n) }

// Write adds a part of the stream, which may begin and end inside a frame. The
// error is that of ParseHeader if a frame does not begin with a header.
func (i *Info) Write(p []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	for done := 0; done < len(p); {
		if i.rest == 0 {
			n := min(headerSize-len(i.partial), len(p)-done)
			i.partial = append(i.partial, p[done:done+n]...)
			done += n
			if len(i.partial) < headerSize {
				break
			}
			h, err := ParseHeader(i.partial)
			if err != nil {
				i.err = fmt.Errorf("MP3 frame at byte %d: %w", i.bytes-int64(i.Size()), err)
				return done, i.err
			}
			i.partial = i.partial[:0]
			i.addFrame(h)
			i.rest = h.Size() - headerSize
		}
		n := min(i.rest, len(p)-done)
		i.rest -= n
		done += n
	}
	i.crc = updateCRC(i.crc, p)
	return len(p), nil
}

func (i *Info) addFrame(h Header) {
	if i.frames == 0 {
		i.bitRate = h.BitRate
	}
	i.variable = i.variable || h.BitRate != i.bitRate
	i.frames++
	i.bytes += int64(h.Size())
	i.skipped++
	if i.skipped < i.step {
		return
	}
	i.skipped = 0
	i.seekPoints = append(i.seekPoints, i.bytes)
	if len(i.seekPoints) == maxSeekPoints {
		for k := range maxSeekPoints / 2 {
			i.seekPoints[k] = i.seekPoints[2*k+1]
		}
		i.seekPoints = i.seekPoints[:maxSeekPoints/2]
		i.step *= 2
	}
}

// Frames returns the number of frames in the stream so far.
func (i *Info) Frames() int64 { return i.frames }

// Bytes returns the Info frame of the stream so far, which LAME made of the given
// number of samples of one channel. It returns an error if the stream ends inside a
// frame, or has more or fewer frames than LAME makes of that many samples.
//
// A field that the stream's size exceeds has its lowest 32 bits.
func (i *Info) Bytes(samples int64) ([]byte, error) {
	perFrame := i.Samples()
	switch expected := FrameCount(samples, perFrame); {
	case i.rest > 0 || len(i.partial) > 0:
		return nil, errInsideFrame
	case i.frames != expected:
		return nil, fmt.Errorf("the MP3 has %d frames; %d samples are %d", i.frames, samples, expected)
	case samples <= 0:
		return i.frame(0, 0), nil
	}
	// The muxer knows only how much of the last frame is padding. If the padding begins
	// in the frame before it, up to 46 samples too few are stated.
	padding := min(i.frames*int64(perFrame)-Delay-samples, int64(perFrame+DecoderDelay))
	return i.frame(Delay, int(padding)), nil
}

// Copied returns the Info frame of the stream so far, of which another encoder than LAME
// in FFmpeg may have made the frames, with CRC or without. The delay and the padding are
// those of an [InfoTag]; they are 0 to 4095 samples, and without the name of an encoder
// decoders do not look at them. Copied returns an error if the stream ends inside a frame.
func (i *Info) Copied(delay, padding int) ([]byte, error) {
	const most = 1<<12 - 1
	switch {
	case i.rest > 0 || len(i.partial) > 0:
		return nil, errInsideFrame
	case delay < 0 || delay > most || padding < 0 || padding > most:
		return nil, fmt.Errorf("an Info frame cannot state a delay of %d samples and a padding of %d", delay, padding)
	}
	return i.frame(delay, padding), nil
}

var errInsideFrame = errors.New("the MP3 ends inside a frame")

func (i *Info) frame(delay, padding int) []byte {
	b := make([]byte, max(i.Size(), crcSize))
	copy(b, i.head[:])
	tag := b[i.offset():]
	if i.variable {
		copy(tag, "Xing")
	} else {
		copy(tag, "Info")
	}
	put := binary.BigEndian.PutUint32
	put(tag[infoFlags:], allFlags)
	put(tag[infoFrames:], uint32(i.frames&math.MaxUint32))
	put(tag[infoBytes:], uint32(i.bytes&math.MaxUint32))
	for k := 1; k < tocSize && len(i.seekPoints) > 0; k++ {
		point := i.seekPoints[k*len(i.seekPoints)/tocSize]
		tag[infoTOC+k] = byte(min(256*point/i.bytes, 255))
	}
	copy(tag[infoEncoder:], i.encoder)
	put(tag[infoDelay-1:], uint32(delay<<12|padding)) //nolint:gosec // 24 bits
	put(tag[infoLength:], uint32(i.bytes&math.MaxUint32))
	binary.BigEndian.PutUint16(tag[infoMusicCRC:], i.crc)
	binary.BigEndian.PutUint16(tag[infoTagCRC:], updateCRC(0, b[:crcSize]))
	return b[:i.Size()]
}
