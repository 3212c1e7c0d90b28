package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// boxAt returns where a box is. A number after # selects among several of a kind.
func boxAt(t *testing.T, b []byte, path ...string) int {
	t.Helper()
	at, end := 0, len(b)
	for depth, want := range path {
		kind, number, _ := strings.Cut(want, "#")
		skip := 0
		if number != "" {
			skip = int(number[0] - '0')
		}
		for {
			if at+8 > end {
				t.Fatalf("no box %v", path)
			}
			size := int(binary.BigEndian.Uint32(b[at:]))
			if string(b[at+4:at+8]) == kind {
				if skip == 0 {
					end = at + size
					break
				}
				skip--
			}
			at += size
		}
		if depth < len(path)-1 {
			at += 8
		}
	}
	return at
}

// otherFormat makes MP3 of 48 kHz look like 44.1 kHz in the second half of the file.
func otherFormat(t *testing.T, b []byte) []byte {
	t.Helper()
	return slices.Concat(b[:len(b)/2], swap(t, b[len(b)/2:], "\xFF\xFB\x94", "\xFF\xFB\x90", 10))
}

// swap replaces bytes that occur at least n times.
func swap(t *testing.T, b []byte, from, to string, n int) []byte {
	t.Helper()
	if bytes.Count(b, []byte(from)) < n {
		t.Fatalf("% x is not in the file", from)
	}
	return bytes.ReplaceAll(b, []byte(from), []byte(to))
}

// replaceBox replaces a box in moov, which must follow the media data, and corrects the
// sizes of those around it.
func replaceBox(t *testing.T, b, box []byte, path ...string) []byte {
	t.Helper()
	if boxAt(t, b, "mdat") > boxAt(t, b, "moov") {
		t.Fatal("the index does not follow the data")
	}
	at := boxAt(t, b, path...)
	old := int(binary.BigEndian.Uint32(b[at:]))
	for n := 1; n < len(path); n++ {
		parent := boxAt(t, b, path[:n]...)
		size := binary.BigEndian.Uint32(b[parent:])
		binary.BigEndian.PutUint32(b[parent:], uint32(int(size)+len(box)-old))
	}
	return slices.Concat(b[:at], box, b[at+old:])
}

// edit is an entry of an edit list: a duration in milliseconds, and a start in the media.
type edit struct{ length, start int }

// setEdits replaces the edit list of a track.
func setEdits(t *testing.T, b []byte, track int, edits ...edit) []byte {
	t.Helper()
	list := []byte("\x00\x00\x00\x00elst\x00\x00\x00\x00")
	list = binary.BigEndian.AppendUint32(list, uint32(len(edits)))
	for _, e := range edits {
		list = binary.BigEndian.AppendUint32(list, uint32(e.length))
		list = binary.BigEndian.AppendUint32(list, uint32(int32(e.start)))
		list = binary.BigEndian.AppendUint32(list, 1<<16)
	}
	binary.BigEndian.PutUint32(list, uint32(len(list)))
	return replaceBox(t, b, list, "moov", "trak#"+string(rune('0'+track)), "edts", "elst")
}

// twoDescriptions adds a second sample description, with which the last chunk is stored.
func twoDescriptions(t *testing.T, b []byte) []byte {
	path := []string{"moov", "trak#1", "mdia", "minf", "stbl"}
	at := boxAt(t, b, append(slices.Clone(path), "stsd")...)
	size := int(binary.BigEndian.Uint32(b[at:]))
	stsd := slices.Concat(b[at:at+size], b[at+16:at+size])
	binary.BigEndian.PutUint32(stsd, uint32(len(stsd)))
	stsd[15] = 2
	b = replaceBox(t, b, stsd, append(slices.Clone(path), "stsd")...)
	at = boxAt(t, b, append(slices.Clone(path), "stsc")...)
	size = int(binary.BigEndian.Uint32(b[at:]))
	stsc := slices.Clone(b[at : at+size])
	stsc[len(stsc)-1] = 2
	return replaceBox(t, b, stsc, append(slices.Clone(path), "stsc")...)
}

// countFrames makes the tables of the sound count frames of one byte, of which that many
// are stored together: their real size is only in the sound description.
func countFrames(t *testing.T, b []byte, together uint32) []byte {
	t.Helper()
	at := func(name string) []byte { return b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", name):] }
	multiply := func(b []byte) { binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)*together) }
	stts, stsc, stsz := at("stts"), at("stsc"), at("stsz")
	if binary.BigEndian.Uint32(stts[12:]) != 1 || binary.BigEndian.Uint32(stts[20:]) != together {
		t.Fatalf("sample times % x", stts[12:24])
	}
	multiply(stts[16:])
	binary.BigEndian.PutUint32(stts[20:], 1)
	for i := range binary.BigEndian.Uint32(stsc[12:]) {
		multiply(stsc[16+12*i+4:])
	}
	binary.BigEndian.PutUint32(stsz[12:], 1)
	multiply(stsz[16:])
	if together > 1 { // ffmpeg leaves out the bytes of a packet and of a frame
		version1 := at("stsd")[16+8+28:]
		binary.BigEndian.PutUint32(version1[4:], 34)
		binary.BigEndian.PutUint32(version1[8:], 68)
	}
	return b
}

// addToDecodeTimes adds seconds to the time of every fragment.
func addToDecodeTimes(t *testing.T, b []byte, seconds uint64) []byte {
	t.Helper()
	scales := []uint64{}
	for _, track := range []string{"trak#0", "trak#1"} {
		scales = append(scales, uint64(binary.BigEndian.Uint32(b[boxAt(t, b, "moov", track, "mdia", "mdhd")+20:])))
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte("tfdt\x01\x00\x00\x00"))
		if i < 0 {
			return b
		}
		tfhd := bytes.LastIndex(rest[:i], []byte("tfhd"))
		id := binary.BigEndian.Uint32(rest[tfhd+8:])
		time := rest[i+8:]
		binary.BigEndian.PutUint64(time, binary.BigEndian.Uint64(time)+seconds*scales[id-1])
		rest = rest[i+8:]
	}
}

// ffmpegCopy passes a file through ffmpeg again.
func ffmpegCopy(t *testing.T, b []byte, before, after []string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.mp4"), filepath.Join(dir, "out.mp4")
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"-nostdin", "-v", "error"}, before, []string{"-i", in, "-map", "0", "-c", "copy"}, after, []string{out})
	if msg, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, msg)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
