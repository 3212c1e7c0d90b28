package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMP4Damage(t *testing.T) {
	t.Parallel()
	first := func(more ...string) []string { return film(append([]string{"-movflags", "+faststart"}, more...)...) }
	testVariants(t, []variant{
		{name: "half.mp4", args: first(), edit: truncate(0.55)},
		{name: "a third.mp4", args: first(), edit: truncate(0.33)},
		{name: "nine tenths.mp4", args: first(), edit: truncate(0.9)},
		{name: "one byte less.mp4", args: first(), edit: func(_ *testing.T, b []byte) []byte { return b[:len(b)-1] }},
		{name: "the pictures after the sound are missing.mp4", edit: truncate(0.46), args: slices.Concat(
			[]string{"-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+150*t)*t)':s=48000:d=1", "-map", "1:v", "-map", "2:a"},
			h264, []string{"-movflags", "+faststart"},
		)},
		{name: "half, pcm.mov", args: pcm("-c:a", "pcm_s16le", "-movflags", "+faststart"), edit: truncate(0.5)},
		{name: "half, mp3.mp4", args: first("-c:a", "libmp3lame"), edit: truncate(0.5)},
		{name: "index missing.mp4", args: film(), edit: truncate(0.5), whole: "index"},
		{name: "a hole.mp4", args: film(), edit: hole(0.3, 0.5)},
		{name: "holes.mov", args: film("-c:a", "ac3"), edit: func(t *testing.T, b []byte) []byte {
			return hole(0.7, 0.8)(t, hole(0.2, 0.3)(t, b))
		}},
		{name: "noise.mp4", args: film(), edit: func(_ *testing.T, b []byte) []byte {
			for i := len(b) / 4; i < len(b)*3/4; i += 997 {
				b[i] ^= 0x55
			}
			return b
		}},
		{name: "encrypted.mp4", whole: "encrypted", args: film(
			"-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8",
		)},
		{name: "mp3 whose format changes.mp4", args: film("-c:a", "libmp3lame"), whole: "format of the MP3", edit: otherFormat},
		{name: "mp3 whose format changes, fragments.mp4", whole: "format of the MP3", edit: otherFormat, args: film(
			"-c:a", "libmp3lame", "-movflags", "frag_keyframe+empty_moov",
		)},
		{name: "another file's samples.mp4", args: film(), whole: "another file", edit: func(t *testing.T, b []byte) []byte {
			b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "dinf", "dref")+16+11] = 0
			return b
		}},
		// ffmpeg refuses these, or parts of them, because of the pictures.
		{name: "more descriptions of the picture.mp4", args: film(), whole: "contradict", edit: inPicture("stsd", 12, "\x04")},
		{name: "chunks of the picture are missing.mp4", args: film(), whole: "no stsc box", edit: inPicture("stsc", 4, "stvc")},
		{name: "more runs of pictures.mp4", args: film(), whole: "contradict", edit: inPicture("stsc", 12, "\x00\x01")},
		{name: "a negative size of a picture.mp4", args: film(), whole: "contradict", edit: inPicture("stsz", 24, "\xBF")},
		{name: "a picture outside the data.mp4", args: film(), whole: "contradict", edit: inPicture("stco", 16, "\x7F")},
		{name: "more times of pictures.mp4", args: film(), whole: "contradict", edit: inPicture("ctts", 12, "\x01")},
		{name: "no setup of the pictures.mp4", args: film(), whole: "incomplete", edit: func(t *testing.T, b []byte) []byte {
			return swap(t, b, "avcC", "\x00vcC", 1)
		}},
		{name: "no setup of the pictures in fragments.mp4", args: fragments("frag_keyframe+empty_moov"), whole: "incomplete", edit: func(t *testing.T, b []byte) []byte {
			return swap(t, b, "avcC", "\x00vcC", 1)
		}},
		{name: "no setup of H.265 pictures.mp4", args: both("libx265", "aac"), whole: "incomplete", edit: func(t *testing.T, b []byte) []byte {
			return swap(t, b, "hvcC", "free", 1)
		}},
		{name: "an empty picture in a fragment.mp4", args: fragments("frag_keyframe+empty_moov"), whole: "contradict", edit: func(t *testing.T, b []byte) []byte {
			clear(b[bytes.Index(b, []byte("trun"))+28:][:4]) // the second sample's
			return b
		}},
		{name: "fragments of a track that has none.mp4", args: fragments("frag_keyframe+empty_moov"), whole: "contradict", edit: func(t *testing.T, b []byte) []byte {
			b[boxAt(t, b, "moov", "mvex", "trex#1")+15] = 9
			return b
		}},
		{name: "no description of some sound.mp4", args: film(), whole: "contradict", edit: func(t *testing.T, b []byte) []byte {
			clear(b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", "stsc")+12+4+8+12:][:4]) // of the second run
			return b
		}},
		{name: "more sizes than samples.mp4", args: film(), whole: "contradict", edit: func(t *testing.T, b []byte) []byte {
			b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", "stsz")+19]++
			return b
		}},
		{name: "chunks outside the data.mp4", args: film(), whole: "contradict", edit: func(t *testing.T, b []byte) []byte {
			b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", "stco")+16] = 1
			return b
		}},
		{name: "compressed index.mp4", args: film(), whole: "compressed", edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "udta")+4:], "cmov")
			return b
		}},
		{name: "two files.mp4", args: film(), whole: "another file follows", edit: func(_ *testing.T, b []byte) []byte { return slices.Concat(b, b) }},
		{name: "something behind it.mp4", args: film(), whole: "unknown", edit: func(_ *testing.T, b []byte) []byte { return append(b, "junk and more"...) }},
		{name: "no picture.m4a", args: []string{"-map", "0:a"}, whole: "only audio"},
		{name: "no sound.mp4", args: slices.Concat([]string{"-map", "1:v"}, h264), whole: "no audio"},
	})
}

// TestMP4Damaged changes random bytes of the index, or of that of a fragment. The result is
// the same, or the whole file is sent.
func TestMP4Damaged(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"plain":     shifted("sound", "0.8", "-movflags", "+faststart"),
		"chapters":  chapters("-movflags", "+faststart"),
		"fragments": chapters("-movflags", "frag_keyframe+empty_moov"),
		"late":      shifted("sound", "0.8", "-movflags", "frag_keyframe+delay_moov+default_base_moof"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testEdits(t, "in.mp4", args, func(_ *testing.T, b []byte) []byte { return b }, 3, damageIndex)
		})
	}
}

// damageIndex changes bytes in front of the data, or in the index of a fragment, at places
// that depend on the seed.
func damageIndex(b []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 9)) //nolint:gosec // reproducible
	from, to := 0, bytes.Index(b, []byte("mdat"))
	if n := bytes.Count(b, []byte("moof")); n > 0 && seed%2 == 0 {
		for range r.IntN(n) + 1 {
			from += bytes.Index(b[from+1:], []byte("moof")) + 1
		}
		to = from + bytes.Index(b[from:], []byte("mdat"))
	}
	for range 1 + r.IntN(3) {
		at := from + r.IntN(to-from)
		switch r.IntN(3) {
		case 0:
			b[at] ^= byte(1 << r.IntN(8))
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			clear(b[at : at+1+r.IntN(8)])
		}
	}
	return b
}

// inPicture changes bytes of a table of the picture.
func inPicture(kind string, at int, to string) func(*testing.T, []byte) []byte {
	return func(t *testing.T, b []byte) []byte {
		copy(b[boxAt(t, b, "moov", "trak#0", "mdia", "minf", "stbl", kind)+at:], to)
		return b
	}
}

// truncate keeps the given share of a file.
func truncate(share float64) func(*testing.T, []byte) []byte {
	return func(_ *testing.T, b []byte) []byte { return b[:int(float64(len(b))*share)] }
}

// hole sets a part of the media data to zero, as a download does that left something out.
func hole(from, to float64) func(*testing.T, []byte) []byte {
	return func(t *testing.T, b []byte) []byte {
		at := boxAt(t, b, "mdat")
		size := float64(binary.BigEndian.Uint32(b[at:]))
		clear(b[at+int(size*from) : at+int(size*to)])
		return b
	}
}
