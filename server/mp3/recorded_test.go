package mp3_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

var update = flag.Bool("update", false, "encode the MP3s in testdata again, with ffmpeg")

// recording is an MP3 in testdata, as ffmpeg 5.1 and LAME 3.100 encoded it.
type recording struct {
	rate, channels int
	setting        setting
	signal         string
	samples        int
}

var recordings = []recording{
	{44100, 2, setting{quality: 4}, "speech", 12000},
	{44100, 2, setting{bitRate: 128}, "clipped", 20000},
	{48000, 1, setting{bitRate: 64}, "noise with pauses", 48000},
	{48000, 2, setting{bitRate: 320}, "silence", 1500},
	{24000, 2, setting{quality: 2}, "chords", 7000},
	{22050, 1, setting{bitRate: 24}, "clicks", 14976},
	{8000, 1, setting{quality: 7}, "fading", 4000},
	{48000, 2, setting{quality: 2}, "silence", 0},
}

func (r recording) String() string {
	return fmt.Sprintf("%d Hz, %d channels, %v, %s", r.rate, r.channels, r.setting, r.signal)
}

func (r recording) path() string {
	return filepath.Join("testdata", fmt.Sprintf("%d-%d-q%d-b%d.mp3", r.rate, r.channels, r.setting.quality, r.setting.bitRate))
}

func (r recording) file(tb testing.TB) []byte {
	tb.Helper()
	file, err := os.ReadFile(r.path())
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// frames returns the recording without its Info frame.
func (r recording) frames(tb testing.TB) []byte {
	tb.Helper()
	_, frames := split(tb, r.file(tb))
	return frames
}

// parsed returns the recording's frames.
func (r recording) parsed(tb testing.TB) []*mp3.Frame {
	tb.Helper()
	return parse(tb, r.frames(tb))
}

const recordedVersion = "3.100"

// TestRecorded is TestSinglePass for the recordings, which need no ffmpeg.
func TestRecorded(t *testing.T) {
	for _, r := range recordings {
		if *update {
			s := find(r.signal)
			if err := os.WriteFile(r.path(), encode(t, s.PCM(r.rate, r.channels, r.samples), r.rate, r.channels, r.setting)[0], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(r.String(), func(t *testing.T) {
			checkLayout(t, r.file(t), r.setting, r.rate, r.channels, recordedVersion, r.samples)
		})
	}
}

func TestStuffingVersion(t *testing.T) {
	silence, empty := recordings[3], recordings[7]
	if got, err := mp3.StuffingVersion(bytes.NewReader(silence.frames(t))); got != recordedVersion || err != nil {
		t.Errorf("%v: %q, %v, want %q", silence, got, err, recordedVersion)
	}
	if got, err := mp3.StuffingVersion(bytes.NewReader(empty.frames(t))); !errors.Is(err, mp3.ErrNoVersion) {
		t.Errorf("%v: %q, %v, want %v", empty, got, err, mp3.ErrNoVersion)
	}
	// Without the beginning of a stream, its first main data is unknown, and so is where
	// that ends.
	stream := recordings[0].frames(t)
	cut := stream[recordings[0].parsed(t)[0].Size():]
	if got, err := mp3.StuffingVersion(bytes.NewReader(cut)); err == nil && got != recordedVersion {
		t.Errorf("%v without its first frame: %q, %v", recordings[0], got, err)
	}
	if _, err := mp3.StuffingVersion(bytes.NewReader([]byte("no MP3"))); !errors.Is(err, mp3.ErrNoHeader) {
		t.Errorf("no MP3: %v", err)
	}
	for _, version := range []string{"3.99.5", "3.101 (beta 2)"} {
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, false, version)
		for _, f := range silence.parsed(t) {
			if _, err := layout.Add(f); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := mp3.StuffingVersion(&out); got != version || err != nil {
			t.Errorf("%q, %v, want %q", got, err, version)
		}
	}
}

// TestCutStuffing checks that stuffing that ends inside the version is not taken for
// another version.
func TestCutStuffing(t *testing.T) {
	f := recordings[3].parsed(t)[0]
	for bits := range 8 * f.Size() {
		g := withBits(f, bits)
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, false, recordedVersion)
		for range 3 {
			if _, err := layout.Add(g); err != nil {
				return
			}
		}
		if got, err := mp3.StuffingVersion(&out); err == nil && got != recordedVersion {
			t.Fatalf("with %d bits of main data: %q, want %q", bits, got, recordedVersion)
		}
	}
}
