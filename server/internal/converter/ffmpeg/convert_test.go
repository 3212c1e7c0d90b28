package ffmpeg_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestContainers(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"index-at-end.mp4", video()},
		{"faststart.mp4", video("-movflags", "+faststart")},
		{"fragmented.mp4", video("-movflags", "frag_keyframe+empty_moov")},
		{"camera.mov", video()},
		{"sound.m4a", nil},
		{"film.mkv", video()},
		{"live.mkv", video("-f", "matroska", "-live", "1")},
		{"browser.webm", video("-c:v", "libvpx", "-c:a", "libopus")},
		{"broadcast.ts", video()},
		{"camcorder.m2ts", video()},
		{"old.avi", video()},
		{"stream.flv", video("-ar", "44100")},
		{"windows.wmv", video()},
		{"dvd.mpg", video("-c:a", "ac3", "-r", "25")},
		{"music.ogg", []string{"-map", "0:a", "-c:a", "libvorbis"}},
		{"voice.opus", []string{"-map", "0:a"}},
		{"music.flac", []string{"-map", "0:a"}},
		{"raw.wav", []string{"-map", "0:a"}},
		{"raw.aiff", []string{"-map", "0:a"}},
		{"bare.aac", []string{"-map", "0:a"}},
		{"bare.ac3", []string{"-map", "0:a"}},
		{"vbr.mp3", []string{"-map", "0:a", "-q:a", "4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := media(t, tt.name, tt.args...)
			mp3, result := mustConvert(t, src, sx.Options{})
			if !near(result.Duration, seconds*time.Second, 150*time.Millisecond) {
				t.Errorf("duration %s, want about %d s", result.Duration, seconds)
			}
			// Players rely on the header, so it must be exact to the sample. The encoder
			// delay of an MP3 that is copied is unknown.
			by := time.Millisecond
			if probe(t, src).sound().Codec == "mp3" {
				by = 30 * time.Millisecond
			}
			if got := decoded(t, mp3); !near(got, result.Duration, by) {
				t.Errorf("decodes to %s, reported %s", got, result.Duration)
			}
			if l := probe(t, mp3); len(l.Streams) != 1 || l.Streams[0].Codec != "mp3" {
				t.Errorf("streams %+v", l.Streams)
			}
		})
	}
}

func TestUnknownDuration(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	// A browser's MediaRecorder writes a stream: no duration and no index.
	src := media(t, "good.webm", video("-c:v", "libvpx", "-c:a", "libopus")...)
	out := run(t, "sh", "-c", `ffmpeg -nostdin -v error -i "$0" -c copy -f webm -live 1 - | cat`, src)
	path := filepath.Join(t.TempDir(), "recorder.webm")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	_, result := mustConvert(t, path, sx.Options{})
	if !near(result.Duration, seconds*time.Second, 150*time.Millisecond) {
		t.Errorf("duration %s", result.Duration)
	}
	// It may even end within a packet, as after a crash.
	if err := os.Truncate(path, int64(len(out)*2/3)); err != nil {
		t.Fatal(err)
	}
	if _, result := mustConvert(t, path, sx.Options{}); result.Duration < time.Second {
		t.Errorf("duration of the rest %s", result.Duration)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	q := func(n int) *int { return &n }
	const (
		tone     = "sine=frequency=440:duration=3:sample_rate="
		surround = "sine=frequency=440:duration=3:sample_rate=48000,aformat=channel_layouts=5.1"
	)
	for _, tt := range []struct {
		name     string
		sound    string
		args     []string
		options  sx.Options
		rate     string
		channels int
		bitrate  string // "" is not checked
	}{
		{"standard keeps mono", tone + "44100", nil, sx.Options{}, "44100", 1, ""},
		{"standard keeps stereo", tone + "44100", []string{"-ac", "2"}, sx.Options{}, "44100", 2, ""},
		{"speech", tone + "44100", []string{"-ac", "2"}, sx.Options{Preset: sx.PresetSpeech}, "44100", 1, "64000"},
		{"small", tone + "44100", []string{"-ac", "2"}, sx.Options{Preset: sx.PresetSmall}, "44100", 2, "128000"},
		{"high", tone + "48000", []string{"-ac", "2"}, sx.Options{Preset: sx.PresetHigh}, "48000", 2, "320000"},
		{"bit rate", tone + "48000", nil, sx.Options{Bitrate: 192}, "48000", 1, "192000"},
		{"bit rate before preset", tone + "48000", nil, sx.Options{Preset: sx.PresetHigh, Bitrate: 96}, "48000", 1, "96000"},
		{"quality", tone + "48000", nil, sx.Options{Quality: q(9)}, "48000", 1, ""},
		{"mono", tone + "48000", []string{"-ac", "2"}, sx.Options{Mono: true}, "48000", 1, ""},
		{"5.1", surround, nil, sx.Options{}, "48000", 2, ""},
		{"5.1 to mono", surround, nil, sx.Options{Mono: true}, "48000", 1, ""},
		{"96 kHz", tone + "96000", []string{"-c:a", "flac"}, sx.Options{}, "48000", 1, ""},
		{"88.2 kHz", tone + "88200", []string{"-c:a", "flac"}, sx.Options{}, "44100", 1, ""},
		{"6 kHz", tone + "6000", []string{"-c:a", "flac"}, sx.Options{}, "8000", 1, ""},
		{"8 kHz high", tone + "8000", []string{"-c:a", "flac"}, sx.Options{Preset: sx.PresetHigh}, "8000", 1, "64000"},
		{"22 kHz high", tone + "22050", []string{"-c:a", "flac"}, sx.Options{Preset: sx.PresetHigh}, "22050", 1, "160000"},
		{"8 kHz standard", tone + "8000", []string{"-c:a", "flac", "-ac", "2"}, sx.Options{}, "8000", 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := mediaFrom(t, tt.sound, "in.mka", append([]string{"-map", "0:a"}, tt.args...)...)
			mp3, result := mustConvert(t, src, tt.options)
			s := probe(t, mp3).Streams[0]
			if s.Rate != tt.rate || s.Channels != tt.channels || tt.bitrate != "" && s.Bitrate != tt.bitrate {
				t.Errorf("got %s Hz, %d channels, %s bit/s", s.Rate, s.Channels, s.Bitrate)
			}
			if got := decoded(t, mp3); !near(got, result.Duration, time.Millisecond) || !near(got, 3*time.Second, 100*time.Millisecond) {
				t.Errorf("decodes to %s, reported %s", got, result.Duration)
			}
		})
	}
}

func TestMP3IsCopied(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	bare := func(path string) []byte {
		return run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "data", "pipe:1")
	}
	for _, name := range []string{"in.mp3", "in.mkv", "in.mp4", "in.avi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := video("-c:a", "libmp3lame", "-b:a", "96k")
			if name == "in.mp3" {
				args = args[2:]
			}
			src := media(t, name, args...)
			for preset, same := range map[sx.Preset]bool{"": true, sx.PresetStandard: true, sx.PresetHigh: true, sx.PresetSmall: false} {
				mp3, _ := mustConvert(t, src, sx.Options{Preset: preset})
				if got := bytes.Equal(bare(src), bare(mp3)); got != same {
					t.Errorf("preset %q: same frames %t, want %t", preset, got, same)
				}
			}
		})
	}
}

func TestTagsChaptersAndCover(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	const title, artist = "שלום עולם – Übung 漢字", "مرحبا"
	meta := filepath.Join(dir, "meta.txt")
	err := os.WriteFile(meta, []byte(";FFMETADATA1\ntitle="+title+"\nartist="+artist+`
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=Intro
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=3000
title=Главная
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cover := filepath.Join(dir, "cover.jpg")
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:duration=1:rate=1", "-frames:v", "1", cover)

	withCover := []string{"-i", meta, "-i", cover, "-map", "0:a", "-map", "3:v", "-c:v", "copy", "-disposition:v:0", "attached_pic", "-map_metadata", "2"}
	attached := []string{"-i", meta, "-map", "0:a", "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg", "-map_metadata", "2"}
	for _, tt := range []struct {
		name            string
		args            []string
		cover, chapters bool
	}{
		{"in.m4a", withCover, true, true},
		{"in.mp4", append(withCover, "-map", "1:v", "-c:v:1", "libx264"), true, true},
		{"in.mp3", append(withCover, "-id3v2_version", "3"), true, true},
		{"in.flac", withCover, true, false},
		{"in.mkv", attached, true, true},
		{"in.ogg", []string{"-i", meta, "-map", "0:a", "-c:a", "libvorbis", "-map_metadata", "2"}, false, false},
		{"in.opus", []string{"-i", meta, "-map", "0:a", "-map_metadata", "2"}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mp3, _ := mustConvert(t, media(t, tt.name, tt.args...), sx.Options{})
			l := probe(t, mp3)
			if l.Format.Tags["title"] != title || l.Format.Tags["artist"] != artist {
				t.Errorf("tags %q", l.Format.Tags)
			}
			if bytes.Contains(read(t, mp3), []byte("TSSE")) {
				t.Error("the tags contain ffmpeg's version")
			}
			for tag := range l.Format.Tags {
				switch strings.ToLower(tag) {
				case "title", "artist", "encoder":
				default:
					t.Errorf("junk tag %s=%s", tag, l.Format.Tags[tag])
				}
			}
			if tt.chapters && (len(l.Chapters) != 2 || l.Chapters[1].Tags["title"] != "Главная" || !near(parseSeconds(t, l.Chapters[1].Start), time.Second, 30*time.Millisecond)) {
				t.Errorf("chapters %+v", l.Chapters)
			}
			pictures := 0
			for _, s := range l.Streams {
				if s.Is.Cover == 1 && s.Codec == "mjpeg" {
					pictures++
				}
			}
			if tt.cover != (pictures == 1) || len(l.Streams) != 1+pictures {
				t.Errorf("%d covers in %+v", pictures, l.Streams)
			}
		})
	}
}

func TestTracks(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mkv",
		"-f", "lavfi", "-i", "sine=frequency=880:duration=3:sample_rate=44100,aformat=channel_layouts=5.1",
		"-f", "lavfi", "-i", "sine=frequency=880:duration=3:sample_rate=32000",
		"-map", "1:v", "-map", "0:a", "-map", "2:a", "-map", "3:a", "-c:a", "ac3",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=fre",
		"-metadata:s:a:2", "title=Kommentar", "-disposition:a:0", "0", "-disposition:a:1", "default")
	for _, tt := range []struct{ track, rate string }{
		{"", "44100"},
		{"1", "48000"},
		{"2", "44100"},
		{"3", "32000"},
		{"eng", "48000"},
		{"EN", "48000"},
		{"en-US", "48000"},
		{"deu", "44100"},
		{"de", "44100"},
		{"ger", "44100"},
		{"fra", "32000"},
	} {
		mp3, _ := mustConvert(t, src, sx.Options{Track: tt.track})
		if got := probe(t, mp3).Streams[0].Rate; got != tt.rate {
			t.Errorf("track %q: %s Hz, want %s", tt.track, got, tt.rate)
		}
	}
	for _, track := range []string{"4", "ita", "und"} {
		_, _, err := convert(t, src, sx.Options{Track: track})
		wantCode(t, err, sx.CodeNoSuchTrack, track+` not found; the video has 1: eng, ac3 mono; 2: ger, ac3 5.1; 3: fre, ac3 mono "Kommentar"`)
	}
}

func TestFirstTrackWithoutADefault(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mkv", "-f", "lavfi", "-i", "sine=duration=3:sample_rate=32000",
		"-map", "0:a", "-map", "2:a", "-c:a", "ac3", "-disposition:a", "0", "-default_mode", "passthrough")
	mp3, _ := mustConvert(t, src, sx.Options{})
	if got := probe(t, mp3).Streams[0].Rate; got != "48000" {
		t.Errorf("%s Hz, want the first track", got)
	}
}

func TestSameVideoSameBytes(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mp4", video()...)
	for _, o := range []sx.Options{{}, {Preset: sx.PresetSpeech}} {
		a, _ := mustConvert(t, src, o)
		b, _ := mustConvert(t, src, o)
		first, err1 := os.ReadFile(a)
		second, err2 := os.ReadFile(b)
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("two runs differ (%d and %d bytes, %v, %v)", len(first), len(second), err1, err2)
		}
	}
}

// TestUnusualTimestamps checks that audio that is trimmed at its start, starts
// late, has a gap or ends before the picture does not count as truncated.
func TestUnusualTimestamps(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	long := media(t, "in.mp4", video()...)
	cut := filepath.Join(t.TempDir(), "cut.mp4") // with an edit list
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-ss", "1.3", "-i", long, "-c", "copy", cut)
	gap := media(t, "gap.mkv", "-map", "1:v", "-map", "0:a", "-c:a", "pcm_s16le",
		"-bsf:a", "noise=drop='between(pts,500,2500)'")
	for _, tt := range []struct {
		name, path string
		want       time.Duration
	}{
		{"edit list", cut, 1700 * time.Millisecond},
		{"late", mediaFrom(t, "sine=duration=1", "late.mkv", "-map", "1:v", "-filter_complex", "[0:a]asetpts=PTS+2/TB[a]", "-map", "[a]"), 3 * time.Second},
		{"gap", gap, 3 * time.Second},
		{"short in mkv", mediaFrom(t, "sine=duration=1", "short.mkv", "-map", "1:v", "-map", "0:a"), time.Second},
		{"short in mp4", mediaFrom(t, "sine=duration=1", "short.mp4", "-map", "1:v", "-map", "0:a"), time.Second},
		{"short in flv", mediaFrom(t, "sine=duration=1", "short.flv", "-map", "1:v", "-map", "0:a", "-ar", "44100"), time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, result := mustConvert(t, tt.path, sx.Options{})
			if !near(result.Duration, tt.want, 150*time.Millisecond) {
				t.Errorf("duration %s, want %s", result.Duration, tt.want)
			}
		})
	}
}

func TestDamagedPacket(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.ts", video()...)
	data, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 2; i < len(data)/2+2000; i++ {
		data[i] ^= 0xA5
	}
	if err := os.WriteFile(src, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, result := mustConvert(t, src, sx.Options{}); !near(result.Duration, seconds*time.Second, time.Second/2) {
		t.Errorf("duration %s", result.Duration)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := mediaFrom(t, "anoisesrc=duration=600:sample_rate=8000", "in.mkv", "-map", "0:a", "-c:a", "pcm_u8")
	f, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var seen []converter.Progress
	_, err = transcoder(t, nil).Transcode(t.Context(),
		converter.Input{Video: f, Size: info.Size(), Options: sx.Options{Quality: new(int)}},
		converter.Output{Put: discard.Put, Progress: func(p converter.Progress) { seen = append(seen, p) }})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range seen {
		if p.Percent < 0 || p.Percent > 100 || i > 0 && p.Percent < seen[i-1].Percent || p.Remaining < 0 {
			t.Errorf("%d: %+v", i, p)
		}
	}
	if len(seen) == 0 || seen[len(seen)-1].Percent < 99 {
		t.Errorf("progress %+v", seen)
	}
}
