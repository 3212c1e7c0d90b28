package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// samples decodes the audio of a file.
func samples(t *testing.T, path string) []byte {
	t.Helper()
	return run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a:0", "-f", "f32le", "pipe:1")
}

// frames returns the frames of a file without its Info frame, as they are.
func frames(t *testing.T, path string) []byte {
	t.Helper()
	return run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a:0", "-c", "copy", "-f", "data", "pipe:1")
}

// infoOf reads the Info frame of an MP3 that was converted.
func infoOf(t *testing.T, path string) *mp3.InfoTag {
	t.Helper()
	data := read(t, path)
	if string(data[:3]) == "ID3" {
		data = data[10+int(data[6])<<21+int(data[7])<<14+int(data[8])<<7+int(data[9]):]
	}
	info, err := mp3.ReadInfo(data)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != info.Bytes {
		t.Errorf("%d bytes after the tag, the Info frame says %d", len(data), info.Bytes)
	}
	return info
}

const chord = "aevalsrc='0.3*sin(440*2*PI*t)+0.1*sin(3000*t*t)|0.3*sin(330*2*PI*t)':d=3:s="

func TestCopyDecodesToTheSameSamples(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	lame := func(name string, args ...string) string {
		return mediaFrom(t, chord+"44100", name, append([]string{"-map", "0:a", "-c:a", "libmp3lame"}, args...)...)
	}
	written := func(name string, parts ...[]byte) string {
		return write(t, filepath.Join(t.TempDir(), name), bytes.Join(parts, nil))
	}
	bare := []string{"-write_xing", "0", "-id3v2_version", "0"}
	tagged := []string{"-id3v2_version", "0"}
	with := func(more []string, args ...string) []string { return append(args, more...) }
	// xing turns the Info frame of an MP3 into one without LAME's extension.
	xing := func(data []byte) []byte {
		i := bytes.Index(data, []byte("Lavc"))
		clear(data[i : i+36])
		return data
	}
	// counts changes the Info frame so that it counts fewer or more frames than there are.
	counts := func(data []byte, by int) []byte {
		i := bytes.Index(data, []byte("Info")) + 8
		binary.BigEndian.PutUint32(data[i:], uint32(int(binary.BigEndian.Uint32(data[i:]))+by)) //nolint:gosec // small
		return data
	}
	id3v1 := append([]byte("TAG"), bytes.Repeat([]byte("x"), 125)...)
	ape := []byte("APETAGEX\xd0\x07\x00\x00\x33\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xa0\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x05\x00\x00\x00\x00\x00\x00\x00Title\x00Sound" +
		"APETAGEX\xd0\x07\x00\x00\x33\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00")
	id3v2 := []byte("ID3\x04\x00\x00\x00\x00\x01\x00" + string(make([]byte, 128)))
	for _, tt := range []struct {
		name, path string
		vbr, named bool
	}{
		{"cbr", lame("in.mp3", "-b:a", "128k"), false, true},
		{"vbr", lame("in.mp3", "-q:a", "4"), true, true},
		{"mono at 22 kHz", lame("in.mp3", "-ac", "1", "-ar", "22050"), false, true},
		{"8 kHz", lame("in.mp3", "-ar", "8000", "-q:a", "3"), true, true},
		{"xing without LAME", written("in.mp3", xing(read(t, lame("x.mp3", tagged...)))), false, false},
		{"no Info frame", lame("in.mp3", bare...), false, false},
		{"no Info frame, vbr", lame("in.mp3", with(bare, "-q:a", "2")...), true, false},
		{"CRC", written("in.mp3", protected(read(t, lame("x.mp3", with(bare, "-b:a", "160k", "-reservoir", "0")...)))), false, false},
		{"two ID3v2, APE and ID3v1", written("in.mp3", id3v2, id3v2, read(t, lame("x.mp3", tagged...)), ape, id3v1), false, true},
		{"ID3v1", written("in.mp3", read(t, lame("x.mp3", tagged...)), id3v1), false, true},
		{"frames are missing", written("in.mp3", counts(read(t, lame("x.mp3", tagged...)), 5)), false, true},
		{"mp4", lame("in.mp4"), false, true},
		{"mov", lame("in.mov"), false, true},
		{"mp4 without the last second", edited(t, 0, 1000), false, true},
		{"avi", lame("in.avi"), false, false},
		{"flv", lame("in.flv"), false, false},
		{"mka", lame("in.mka"), false, false},
		{"mkv with picture", mediaFrom(t, chord+"44100", "in.mkv", video("-c:a", "libmp3lame")...), false, false},
		{"mp4 with picture", mediaFrom(t, chord+"44100", "in.mp4", video("-c:a", "libmp3lame")...), false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, result := mustConvert(t, tt.path, sx.Options{})
			if !bytes.Equal(frames(t, got), trimmed(t, tt.path)) {
				t.Error("the frames differ from the source's")
			}
			want, have := samples(t, tt.path), samples(t, got)
			// Matroska can leave out samples at the end only, which an Info frame cannot.
			if filepath.Ext(tt.path) == ".mkv" || filepath.Ext(tt.path) == ".mka" {
				if extra := len(have) - len(want); extra > 0 && extra < 8*1152 {
					have = have[:len(want)]
				}
			}
			if !bytes.Equal(have, want) {
				t.Errorf("%d bytes of PCM differ from the source's %d", len(have), len(want))
			}
			s := probe(t, got).Streams[0]
			rate, err := strconv.Atoi(s.Rate)
			if err != nil {
				t.Fatal(err)
			}
			length := time.Duration(len(samples(t, got))/4/s.Channels) * time.Second / time.Duration(rate)
			if !near(result.Duration, length, time.Microsecond) {
				t.Errorf("reported %s, decodes to %s", result.Duration, length)
			}
			info := infoOf(t, got)
			if info.VBR != tt.vbr || (info.Encoder != "") != tt.named || info.TOC == nil {
				t.Errorf("VBR %t, encoder %q", info.VBR, info.Encoder)
			}
		})
	}
}

// edited returns an MP4 whose edit list begins later by a number of samples, and is shorter
// by milliseconds.
func edited(t *testing.T, from, by uint32) string {
	t.Helper()
	data := read(t, mediaFrom(t, chord+"44100", "edited.mp4", "-map", "0:a", "-c:a", "libmp3lame"))
	entry := data[bytes.Index(data, []byte("elst"))+12:]
	binary.BigEndian.PutUint32(entry, binary.BigEndian.Uint32(entry)-by)
	binary.BigEndian.PutUint32(entry[4:], binary.BigEndian.Uint32(entry[4:])+from)
	return write(t, filepath.Join(t.TempDir(), "edited.mp4"), data)
}

// trimmed returns the frames of a file: those of its packets that are frames.
func trimmed(t *testing.T, path string) []byte {
	t.Helper()
	data := frames(t, path)
	for at := 0; at < len(data); {
		h, err := mp3.ParseHeader(data[at:])
		if err != nil || at+h.Size() > len(data) {
			return data[:at] // a tag
		}
		at += h.Size()
	}
	return data
}

// protected adds a CRC to frames whose reservoir is empty, so that the space for it is
// taken from the ancillary data at their end.
func protected(data []byte) []byte {
	var out []byte
	for at := 0; at < len(data); {
		h, err := mp3.ParseHeader(data[at:])
		if err != nil || at+h.Size() > len(data) {
			break
		}
		f := data[at : at+h.Size()]
		out = append(out, f[0], f[1]&^1, f[2], f[3], 0, 0)
		side := f[4 : 4+h.SideInfoSize()]
		crc := uint16(0xFFFF)
		for _, b := range append([]byte{f[2], f[3]}, side...) {
			crc ^= uint16(b) << 8
			for range 8 {
				if crc&0x8000 != 0 {
					crc = crc<<1 ^ 0x8005
				} else {
					crc <<= 1
				}
			}
		}
		binary.BigEndian.PutUint16(out[len(out)-2:], crc)
		out = append(out, f[4:len(f)-2]...)
		at += h.Size()
	}
	return out
}

// TestMP3IsEncoded checks MP3 streams of which a copy would be wrong.
func TestMP3IsEncoded(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	lame := func(name, rate string, args ...string) string {
		return mediaFrom(t, chord+rate, name, append([]string{"-map", "0:a", "-c:a", "libmp3lame"}, args...)...)
	}
	join := func(paths ...string) string {
		var all []byte
		for _, p := range paths {
			all = append(all, read(t, p)...)
		}
		return write(t, filepath.Join(t.TempDir(), "joined.mp3"), all)
	}
	for _, tt := range []struct {
		name, path string
		want       time.Duration
	}{
		{"two sample rates", join(lame("a.mp3", "44100"), lame("b.mp3", "48000")), 6 * time.Second},
		{"stereo and mono", join(lame("a.mp3", "44100"), lame("b.mp3", "44100", "-ac", "1")), 6 * time.Second},
		{"edit list without the first second", edited(t, 44100, 1000), 2 * time.Second},
		{"late", mediaFrom(t, "sine=duration=1:sample_rate=44100", "late.mkv", "-map", "1:v",
			"-filter_complex", "[0:a]asetpts=PTS+2/TB[a]", "-map", "[a]", "-c:a", "libmp3lame"), 3 * time.Second},
		{"gap", mediaFrom(t, "sine=duration=3:sample_rate=44100", "gap.mkv", "-map", "1:v", "-map", "0:a", "-c:a", "libmp3lame",
			"-bsf:a", "noise=drop='between(pts,500,2500)'"), 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, result := mustConvert(t, tt.path, sx.Options{})
			if bytes.HasPrefix(frames(t, tt.path), frames(t, got)[:500]) {
				t.Error("the frames were copied")
			}
			if !near(result.Duration, tt.want, 150*time.Millisecond) || !near(decoded(t, got), result.Duration, time.Millisecond) {
				t.Errorf("duration %s, want %s", result.Duration, tt.want)
			}
		})
	}
}

// TestJoinedMP3IsCopied checks that nothing is lost of files of the same format that were
// joined, although the Info frame of the first one ends there.
func TestJoinedMP3IsCopied(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	one := media(t, "a.mp3", "-map", "0:a", "-id3v2_version", "0")
	two := write(t, filepath.Join(t.TempDir(), "joined.mp3"), append(read(t, one), read(t, one)...))
	got, result := mustConvert(t, two, sx.Options{})
	if !near(result.Duration, 2*seconds*time.Second, 150*time.Millisecond) {
		t.Errorf("duration %s", result.Duration)
	}
	if n := infoOf(t, got).Frames; n != 2*infoOf(t, one).Frames+1 { // the second Info frame
		t.Errorf("%d frames", n)
	}
}
