package audioonly

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/tracks"
)

// role is what becomes of a track.
type role int

const (
	kept      role = iota // with all of its samples
	beginning             // with those of the first seconds; the others refer to the same bytes
	picture               // a stub with one tiny sample
	untouched             // it has no samples
)

// mp4Track is a track (trak) of the source.
type mp4Track struct {
	trak      box
	id        int64
	handler   string
	codec     string // of the first sample entry
	timescale int64
	role      role
	chapters  []int64 // IDs of the tracks with its chapters
	choice    tracks.Track
	// unsure says that ffmpeg may read another language than choice has.
	unsure bool

	mdia, minf, stbl []box // children
	edits            edits
	descriptions     int64 // sample entries
	samples          int64 // in the index; fragments have more
	ticks            int64 // their duration

	mp3    bool    // a sample entry declares MP3
	format [3]byte // of its last frame; see checkFormat

	// sound is from QuickTime's sound description; in other files its values are
	// plausible or 0.
	sound soundFormat
}

// compared are the codecs for which the MP3s from the audio alone and from the whole file
// were compared, by the names of their sample entries.
var compared = []string{
	"mp4a", "ac-3", "ec-3", "alac", "Opus", "fLaC", ".mp3", "samr", "mlpa",
	"apac", // Apple's spatial audio, which ffmpeg cannot decode, next to a track in AAC
	"twos", "sowt", "lpcm", "in24", "in32", "fl32", "fl64", "raw ", "ulaw", "alaw", "ima4",
}

// handlers are the kinds of tracks that ffmpeg does not take for audio or pictures.
var handlers = []string{"text", "sbtl", "subt", "subp", "clcp", "tmcd", "meta", "hint", "odsm", "sdsm"}

// small are those of them whose samples are all sent: chapters, subtitles and time codes.
var small = []string{"text", "sbtl", "subt", "subp", "clcp", "tmcd"}

// track reads a track.
func (r *boxReader) track(trak box) *mp4Track {
	t := &mp4Track{trak: trak}
	list := r.children(trak.body, trak.end)
	tkhd := r.need(list, "tkhd")
	if r.err != nil {
		return t
	}
	head := r.bytes(tkhd.body, 4)
	t.choice.Default = head[3]&1 != 0
	if head[0] == 1 {
		t.id = r.uint32(tkhd.body + 20)
	} else {
		t.id = r.uint32(tkhd.body + 12)
	}
	mdia := r.need(list, "mdia")
	t.mdia = r.children(mdia.body, mdia.end)
	mdhd, hdlr, minf := r.need(t.mdia, "mdhd"), r.need(t.mdia, "hdlr"), r.need(t.mdia, "minf")
	if r.err != nil {
		return t
	}
	at := mdhd.body + 12 // after version, flags and two times of 32 bits
	length := int64(4)
	if r.bytes(mdhd.body, 1)[0] == 1 {
		at, length = mdhd.body+20, 8
	}
	t.timescale = r.uint32(at)
	if t.timescale == 0 {
		r.contradiction()
	}
	t.choice.Language = language(r.bytes(at+4+length, 2))
	_, extended := r.child(t.mdia, "elng") // which newer versions read (ISO/IEC 14496-12, 8.4.6)
	t.unsure = extended || t.choice.Language == ""
	t.handler = string(r.bytes(hdlr.body+8, 4))
	t.minf = r.children(minf.body, minf.end)
	r.references(t.minf)
	stbl := r.need(t.minf, "stbl")
	t.stbl = r.children(stbl.body, stbl.end)
	r.entries(t)
	t.edits = r.edits(list)
	if tref, ok := r.child(list, "tref"); ok {
		for _, b := range r.children(tref.body, tref.end) {
			for at := b.body; b.kind == "chap" && at+4 <= b.end && len(t.chapters) < maxChildren; at += 4 {
				t.chapters = append(t.chapters, r.uint32(at))
			}
		}
	}
	t.count(r)
	return t
}

// language decodes three letters of 5 bits (ISO/IEC 14496-12, 8.4.2). QuickTime's older
// numbers give none.
func language(b []byte) string {
	v := int(b[0])<<8 | int(b[1])
	if v < 0x400 || v == 0x7FFF {
		return ""
	}
	return string([]byte{byte(v>>10&31) + 0x60, byte(v>>5&31) + 0x60, byte(v&31) + 0x60})
}

// references refuses tracks whose samples are in another file.
func (r *boxReader) references(minf []box) {
	dinf := r.need(minf, "dinf")
	dref := r.need(r.children(dinf.body, dinf.end), "dref")
	if r.err != nil {
		return
	}
	for _, b := range r.children(dref.body+8, dref.end) {
		if r.bytes(b.body, 4)[3]&1 == 0 {
			r.fail("the file refers to another file")
		}
	}
}

// encrypted are the sample entries of encrypted tracks, and the boxes that describe how
// (ISO/IEC 14496-12, 8.12; ISO/IEC 23001-7).
var encrypted = []string{"encv", "enca", "enct", "encs", "encm", "drms", "drmi", "drmt", "sinf", "pssh", "saiz", "saio", "senc"}

func (r *boxReader) refuseEncrypted(list []box) {
	for _, b := range list {
		if slices.Contains(encrypted, b.kind) {
			r.fail("the file is encrypted")
		}
	}
}

// entries reads the sample descriptions.
func (r *boxReader) entries(t *mp4Track) {
	stsd := r.need(t.stbl, "stsd")
	if r.err != nil {
		return
	}
	list := r.children(stsd.body+8, stsd.end)
	r.refuseEncrypted(list)
	r.refuseEncrypted(t.stbl)
	t.descriptions = int64(len(list))
	if len(list) == 0 || r.uint32(stsd.body+4) != t.descriptions {
		r.contradiction()
		return
	}
	t.codec = list[0].kind
	if t.handler == "vide" {
		for _, e := range list {
			r.checkSetup(e)
		}
	}
	if t.handler != "soun" {
		return
	}
	for _, e := range list {
		if !slices.Contains(compared, e.kind) {
			r.fail("the audio codec %.4q has not been compared", e.kind)
		}
		t.sound = t.sound.max(r.soundFormat(e))
		t.mp3 = t.mp3 || r.isMP3(e)
	}
}

// setups are the boxes with the setup of the pictures' decoder (ISO/IEC 14496-15), by the
// names of the sample entries that have one, and how long they are at least.
var setups = map[string]struct {
	kind  string
	least int64
}{
	"avc1": {"avcC", 7}, "avc2": {"avcC", 7}, "avc3": {"avcC", 7}, "avc4": {"avcC", 7},
	"hvc1": {"hvcC", 23}, "hev1": {"hvcC", 23},
}

// checkSetup refuses pictures without the setup of their decoder: ffmpeg does not read a
// file that has them.
func (r *boxReader) checkSetup(entry box) {
	const fields = 78 // bytes of a sample entry before its boxes
	setup, ok := setups[entry.kind]
	if !ok {
		return
	}
	for at := entry.body + fields; entry.end-at >= 8; {
		size := r.uint32(at)
		if size < 8 || size > entry.end-at {
			break // QuickTime pads some entries
		}
		if string(r.bytes(at+4, 4)) == setup.kind && size >= 8+setup.least {
			return
		}
		at += size
	}
	r.fail("the description of the pictures is incomplete")
}

// edits is what an edit list says (ISO/IEC 14496-12, 8.6.6).
type edits struct {
	lead     int64 // duration of the empty edits in front, in the time scale of the movie
	longest  int64 // empty edit
	segments int   // those that are not empty
	start    int64 // in the media, of the first of them
}

func (r *boxReader) edits(trak []box) edits {
	var e edits
	edts, ok := r.child(trak, "edts")
	if !ok {
		return e
	}
	elst, ok := r.child(r.children(edts.body, edts.end), "elst")
	if !ok || r.err != nil {
		return e
	}
	version := r.bytes(elst.body, 1)[0]
	width := 12
	if version == 1 {
		width = 20
	}
	for t := r.table(elst, 0, width); ; {
		b := t.next()
		if b == nil {
			return e
		}
		length, start := be32(b), int64(int32(be32(b[4:])))
		if version == 1 {
			length, start = be64(b), be64(b[8:])
		}
		switch {
		case length < 0 || length > 1<<50:
			r.contradiction()
		case start == -1:
			if e.segments == 0 {
				e.lead += length
			}
			e.longest = max(e.longest, length)
		default:
			if e.segments == 0 {
				e.start = start
			}
			e.segments++
		}
	}
}

// longPause is the length from which the converter looks at the pictures to decide whether
// a gap in the audio is a pause. It is a little longer there.
const longPause = 9 * time.Minute

// count reads how many samples the index has and how long they are.
func (t *mp4Track) count(r *boxReader) {
	stts := r.need(t.stbl, "stts")
	if r.err != nil {
		return
	}
	for entries := r.table(stts, 0, 8); ; {
		b := entries.next()
		if b == nil {
			return
		}
		n, delta := be32(b), be32(b[4:])
		t.samples += n
		t.ticks += n * delta
		if delta > 1<<31 || t.ticks < 0 || t.ticks > 1<<56 {
			r.contradiction()
			return
		}
		if t.handler == "soun" && delta/t.timescale > int64(longPause/time.Second) {
			r.fail("the audio has a pause of more than %d minutes", longPause/time.Minute)
		}
	}
}

// duration returns the duration of n of the track's ticks.
func (t *mp4Track) duration(n int64) time.Duration {
	return time.Duration(float64(n) / float64(t.timescale) * float64(time.Second))
}
