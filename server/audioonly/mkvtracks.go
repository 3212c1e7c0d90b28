package audioonly

import (
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/matroska"
	"github.com/soundextract/sx/server/internal/tracks"
)

// The types of tracks (RFC 9559, section 5.1.4.1.3).
const (
	typePicture  = 1
	typeAudio    = 2
	typeSubtitle = 17
)

// track is a track of the source.
type track struct {
	entry    element
	children []element
	number   uint64
	kind     uint64
	codec    string
	setup    element // of the decoder; absent if the ID is 0
	language string  // as ffmpeg 5.1 reads it
	bcp47    string
	wanted   bool // audio of which the MP3 may be made

	seen   int           // frames so far
	last   time.Duration // of the last block
	late   bool          // its first block may be beyond what ffmpeg probes
	later  bool          // its first block may not be among ffprobe's first packets
	moving bool          // its second block is in the head
	format uint32        // of the first frame, if its codec is one of parsed
}

// Codecs for which the result was compared with that of the whole file: names, or their
// beginnings if these end in a slash or a star.
var (
	audioCodecs = []string{
		"A_AAC", "A_AAC/*", "A_OPUS", "A_VORBIS", "A_FLAC", "A_AC3", "A_EAC3", "A_DTS", "A_TRUEHD", "A_MPEG/L2", "A_MPEG/L3",
		"A_PCM/INT/LIT", "A_PCM/INT/BIG", "A_PCM/FLOAT/IEEE", "A_ALAC", "A_TTA1", "A_WAVPACK4", "A_MS/ACM",
	}
	pictureCodecs = []string{
		"V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "V_MPEG4/ISO/ASP", "V_MPEG1", "V_MPEG2", "V_MJPEG", "V_VP8", "V_VP9", "V_AV1",
		"V_THEORA", "V_FFV1", "V_PRORES",
	}
)

func isCodec(name string, list []string) bool {
	return slices.ContainsFunc(list, func(c string) bool {
		start, open := strings.CutSuffix(c, "*")
		return c == name || open && strings.HasPrefix(name, start)
	})
}

const (
	maxTracks = 64 // as the converter
	maxEntry  = 64 // children of a track
)

// readTracks reads the tracks, and chooses those whose audio is kept.
func (m *mkv) readTracks(o Options) error {
	err := m.children(m.index.tracks, func(e element) error {
		if e.id != matroska.TrackEntry {
			if isFiller(e.id) {
				return nil
			}
			return unknownElement(e)
		}
		if len(m.tracks) == maxTracks {
			return wholeFile("the file has more than %d tracks", maxTracks)
		}
		t, err := m.readTrack(e)
		m.tracks = append(m.tracks, t)
		return err
	})
	if err != nil {
		return err
	}
	m.choose(o.Track)
	return m.checkTracks()
}

func (m *mkv) readTrack(entry element) (*track, error) {
	t := &track{entry: entry, language: "eng"}
	err := m.children(entry, func(e element) (err error) {
		if t.children = append(t.children, e); len(t.children) > maxEntry {
			return damaged(entry.at)
		}
		switch e.id {
		case matroska.TrackNumber:
			t.number, err = m.uint(e)
		case matroska.TrackType:
			t.kind, err = m.uint(e)
		case matroska.CodecID:
			t.codec, err = m.text(e)
		case matroska.Language:
			t.language, err = m.text(e)
		case matroska.LanguageBCP47:
			t.bcp47, err = m.text(e)
		case matroska.CodecPrivate:
			t.setup = e
		case matroska.ContentEncodings:
			err = m.checkEncodings(e)
		}
		return err
	})
	return t, err
}

// checkSetup refuses pictures without the setup of their decoder: ffmpeg does not read a
// file that has them.
func (m *mkv) checkSetup(t *track) error {
	size, ok := t.setup.end-t.setup.data, true
	switch t.codec {
	case "V_MPEG4/ISO/AVC":
		ok = size >= 7
	case "V_MPEGH/ISO/HEVC":
		ok = size >= 23
	case "V_THEORA": // three headers, of which the first has 42 bytes, after the sizes of two
		b, err := m.bytes(t.setup.data, int(min(size, 1<<10)))
		if err != nil {
			return err
		}
		var second int64
		i := 2
		for ; i < len(b) && b[i] == 255; i++ {
			second += 255
		}
		ok = i < len(b) && b[0] == 2 && b[1] == 42 && int64(i+1)+42+second+int64(b[i]) < size
	}
	if !ok {
		return wholeFile("the description of the pictures is incomplete")
	}
	return nil
}

// text returns the value of an element that contains a text, which ends before the first
// zero.
func (m *mkv) text(e element) (string, error) {
	b, err := m.value(e)
	s, _, _ := strings.Cut(string(b), "\x00")
	return s, err
}

func (m *mkv) checkEncodings(encodings element) error {
	n := 0
	return m.children(encodings, func(e element) error {
		if e.id != matroska.ContentEncoding {
			return nil
		}
		if n++; n > 1 {
			return wholeFile("a track is encoded twice")
		}
		return m.children(e, func(e element) error {
			if e.id == matroska.ContentEncryption {
				return errEncrypted()
			}
			if e.id == matroska.ContentEncodingType {
				v, err := m.uint(e)
				if err == nil && v != 0 {
					err = errEncrypted()
				}
				return err
			}
			return nil
		})
	})
}

func errEncrypted() error { return wholeFile("the file is encrypted") }

// choose marks the audio tracks that want selects; all if it selects none, so that the
// error is that of the whole file.
func (m *mkv) choose(want string) {
	audio := slices.DeleteFunc(slices.Clone(m.tracks), func(t *track) bool { return t.kind != typeAudio })
	var list, other []tracks.Track
	for _, t := range audio {
		list = append(list, tracks.Track{Language: t.language})
		other = append(other, tracks.Track{Language: t.bcp47})
	}
	// Another version of ffmpeg may read the other language.
	chosen := append(tracks.Pick(list, want), tracks.Pick(other, want)...)
	for i, t := range audio {
		t.wanted = len(chosen) == 0 || slices.Contains(chosen, i)
	}
}

func (m *mkv) checkTracks() error {
	audio, pictures := 0, 0
	numbers := map[uint64]bool{}
	for _, t := range m.tracks {
		if t.number == 0 || numbers[t.number] {
			return damaged(t.entry.at)
		}
		numbers[t.number] = true
		var known bool
		switch t.kind {
		case typePicture:
			pictures++
			known = isCodec(t.codec, pictureCodecs)
			if err := m.checkSetup(t); err != nil {
				return err
			}
		case typeAudio:
			audio++
			known = isCodec(t.codec, audioCodecs)
		case typeSubtitle:
			known = strings.HasPrefix(t.codec, "S_") || strings.HasPrefix(t.codec, "D_")
		default:
			return wholeFile("the file has a track of an unusual type (%d)", t.kind)
		}
		if t.codec == "A_MPEG/L3" && slices.ContainsFunc(t.children, func(e element) bool { return e.id == matroska.ContentEncodings }) {
			return wholeFile("the file has compressed MP3") // its format could change
		}
		if !known {
			return wholeFile("the file has a track with an unusual codec (%q)", t.codec)
		}
	}
	switch {
	case audio == 0:
		return wholeFile("the file has no audio track")
	case pictures == 0 && !m.duration:
		return wholeFile("the file does not say how long it is") // ffmpeg computes it from the size
	}
	return nil
}

// writeTracks writes the entries of all tracks. Those of pictures change their codec to
// one that the converter's ffmpeg knows, so that ffmpeg reports the stub's times.
func (m *mkv) writeTracks() {
	var entries mkvPieces
	for _, t := range m.tracks {
		if t.kind != typePicture {
			entries.source(t.entry)
			continue
		}
		var rest mkvPieces
		for _, e := range t.children {
			switch e.id {
			case matroska.CodecID:
				rest.literal(matroska.AppendElement(nil, matroska.CodecID, []byte("V_MJPEG")))
			case matroska.CodecPrivate, matroska.ContentEncodings, matroska.CRC32:
			default:
				rest.source(e)
			}
		}
		entries.literal(matroska.AppendHeader(nil, matroska.TrackEntry, rest.size))
		entries.append(&rest)
	}
	m.out.literal(matroska.AppendHeader(nil, matroska.Tracks, entries.size))
	entries.appendTo(m.out)
}
