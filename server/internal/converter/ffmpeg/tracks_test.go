package ffmpeg_test

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestTrackChoice checks which track is used.
func TestTrackChoice(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	second := []string{"-f", "lavfi", "-i", "sine=frequency=880:sample_rate=48000:duration=3"}
	both := append(slices.Clone(second), "-map", "1:v", "-map", "0:a", "-map", "2:a")
	unknown := func(name string, codec string, args ...string) string {
		path := media(t, name, append(slices.Clone(both), args...)...)
		data := read(t, path)
		i := bytes.Index(data, []byte(codec))
		if i < 0 {
			t.Fatalf("no %s in %s", codec, name)
		}
		copy(data[i:], "zzzz")
		return write(t, path, data)
	}
	for _, tt := range []struct {
		name     string
		path     func() string
		hz       float64
		warnings []string
	}{
		{"commentary comes first and is a default too", func() string {
			return media(t, "in.mkv", append(slices.Clone(both), "-disposition:a:0", "default+comment", "-disposition:a:1", "default")...)
		}, 880, nil},
		{"audio description by its title", func() string {
			return media(t, "in.mkv", append(slices.Clone(both), "-metadata:s:a:0", "title=Audio Description", "-disposition:a:0", "default", "-disposition:a:1", "0")...)
		}, 880, nil},
		{"the default comes second", func() string {
			return media(t, "in.mkv", append(slices.Clone(both), "-disposition:a:0", "0", "-disposition:a:1", "default")...)
		}, 880, nil},
		{"the first cannot be decoded", func() string { return unknown("in.mov", "sowt", "-c:a:0", "pcm_s16le", "-c:a:1", "aac") }, 880, []string{sx.WarningOtherTrack}},
		{"only commentary", func() string {
			return media(t, "in.mkv", "-map", "1:v", "-map", "0:a", "-disposition:a:0", "comment")
		}, 440, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mp3, result := mustConvert(t, tt.path(), sx.Options{})
			if got := frequency(t, mp3, time.Second, 2*time.Second); math.Abs(got-tt.hz) > 5 {
				t.Errorf("%.0f Hz, want %.0f", got, tt.hz)
			}
			wantWarnings(t, result.Warnings, tt.warnings...)
		})
	}
}

// TestTracksOfOneChannel checks that tracks of one channel each become one sound.
func TestTracksOfOneChannel(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"in.mxf", "in.mov"} {
		src := media(t, name, "-f", "lavfi", "-i", "sine=frequency=880:sample_rate=48000:duration=3",
			"-map", "1:v", "-map", "0:a", "-map", "2:a", "-c:v", "mpeg2video", "-r", "25", "-c:a", "pcm_s16le", "-ac", "1")
		mp3, result := mustConvert(t, src, sx.Options{})
		if s := probe(t, mp3).sound(); s.Channels != 2 {
			t.Errorf("%s: %d channels", name, s.Channels)
		}
		wantWarnings(t, result.Warnings, sx.WarningJoinedTracks)
		for i, hz := range []float64{440, 880} {
			side := filepath.Join(t.TempDir(), "side.wav")
			run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", mp3, "-af", fmt.Sprintf("pan=mono|c0=c%d", i), side)
			if got := frequency(t, side, time.Second, 2*time.Second); math.Abs(got-hz) > 5 {
				t.Errorf("%s: channel %d has %.0f Hz, want %.0f", name, i, got, hz)
			}
		}
		mp3, result = mustConvert(t, src, sx.Options{Track: "2"})
		if got := frequency(t, mp3, time.Second, 2*time.Second); math.Abs(got-880) > 5 || probe(t, mp3).sound().Channels != 1 {
			t.Errorf("%s: track 2 has %.0f Hz", name, got)
		}
		wantWarnings(t, result.Warnings)
	}
}
