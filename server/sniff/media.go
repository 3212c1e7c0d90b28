package sniff

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// signature is a container with fixed bytes at a fixed offset.
type signature struct {
	at     int
	magic  string
	format Format
}

var (
	mov      = Format{"MP4 or QuickTime", "mov"}
	matroska = Format{"Matroska", "matroska"}
	webm     = Format{"WebM", "matroska"}
	mpegts   = Format{"MPEG transport stream", "mpegts"}
	mp3      = Format{"MP3", "mp3"}
	adts     = Format{"AAC (ADTS)", "aac"}
	ac3      = Format{"AC-3", "ac3"}
	eac3     = Format{"E-AC-3", "eac3"}
	avi      = Format{"AVI", "avi"}
	wav      = Format{"WAV", "wav"}
	aiff     = Format{"AIFF", "aiff"}
	dts      = Format{"DTS", "dts"}
	mpc      = Format{"Musepack", "mpc"}
)

var signatures = []signature{
	{0, "fLaC", Format{"FLAC", "flac"}},
	{0, "OggS\x00", Format{"Ogg", "ogg"}},
	{0, "FLV\x01", Format{"Flash video", "flv"}},
	{0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C", Format{"Windows Media", "asf"}},
	{0, "\x00\x00\x01\xBA", Format{"MPEG program stream", "mpeg"}},
	{0, "riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00", Format{"Wave64", "w64"}},
	{0, "caff\x00\x01", Format{"Core Audio", "caf"}},
	{0, "#!AMR", Format{"AMR", "amr"}},
	{0, ".RMF\x00\x00\x00", Format{"RealMedia", "rm"}},
	{0, "\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02", Format{"MXF", "mxf"}},
	{0, "wvpk", Format{"WavPack", "wv"}},
	{0, "MAC ", Format{"Monkey's Audio", "ape"}},
	{0, "TTA1", Format{"True Audio", "tta"}},
	{0, ".snd\x00\x00", Format{"Sun audio", "au"}},
	{0, "MP+\x07", mpc},
	{0, "MP+\x17", mpc},
	{0, "MPCK", Format{"Musepack", "mpc8"}},
	{0, "DSD \x1C\x00\x00\x00", Format{"DSF", "dsf"}},
	{0, "\x7F\xFE\x80\x01", dts},
	{0, "\xFE\x7F\x01\x80", dts},
	{0, "\x1F\xFF\xE8\x00", dts},
	{0, "\xFF\x1F\x00\xE8", dts},
	{0, "\x1F\x07\x00\x3F", Format{"DV", "dv"}},
	{0, "\x1F\x07\x00\xBF", Format{"DV", "dv"}},
	{8, "AVI ", avi},
	{8, "AVIX", avi},
	{8, "WAVE", wav},
	{8, "AIFF", aiff},
	{8, "AIFC", aiff},
}

// outer lists, for the signatures at byte 8, the possible types of the outer chunk.
var outer = map[Format][]string{
	avi:  {"RIFF"},
	wav:  {"RIFF", "RIFX", "RF64", "BW64"},
	aiff: {"FORM"},
}

func media(head []byte) (Format, bool) {
	for _, s := range signatures {
		if len(head) < s.at || !bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
			continue
		}
		if s.at == 0 || slices.Contains(outer[s.format], string(head[:4])) {
			return s.format, true
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1A\x45\xDF\xA3")):
		// The EBML header is short and has the document type as plain text.
		if bytes.Contains(head[:min(len(head), 64)], []byte("webm")) {
			return webm, true
		}
		return matroska, true
	case isMov(head):
		return mov, true
	case isTS(head):
		return mpegts, true
	}
	return elementary(head)
}

// movBoxes are the possible types of the first box of an MP4 or QuickTime file.
var movBoxes = []string{
	"ftyp", "moov", "mdat", "wide", "free", "skip", "pnot", "styp", "moof", "sidx",
}

// pictureBrands are the brands of still pictures in the same container.
var pictureBrands = []string{"heic", "heix", "heim", "heis", "mif1", "avif", "crx "}

func isMov(head []byte) bool {
	if len(head) < 8 || !slices.Contains(movBoxes, string(head[4:8])) {
		return false
	}
	if isPicture(head) {
		return false
	}
	// Size 1 means that 64 bits follow, and 0 up to the end of the file. Only
	// the media data may be so large that its size looks like four letters of
	// text.
	size := binary.BigEndian.Uint32(head)
	return size <= 1 || size >= 8 && (size < 1<<28 || string(head[4:8]) == "mdat")
}

func isPicture(head []byte) bool {
	return len(head) >= 12 && string(head[4:8]) == "ftyp" && slices.Contains(pictureBrands, string(head[8:12]))
}

// isTS looks for the sync byte of transport stream packets. They have 188 bytes, 192
// with a timestamp before each (Blu-ray, AVCHD), or 204 with parity after each. A
// recording may start in the middle of a packet.
func isTS(head []byte) bool {
	const sync, enough = 0x47, 5
	for _, step := range []int{188, 192, 204} {
		for start := 0; start < step && start+step*(enough-1) < len(head); start++ {
			n := 0
			for i := start; i < len(head) && head[i] == sync; i += step {
				n++
			}
			if n >= enough && start+n*step >= len(head) {
				return true
			}
		}
	}
	return false
}
