package audioonly_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// film returns arguments for a picture with B-frames and the sound.
func film(more ...string) []string {
	return slices.Concat([]string{"-map", "1:v", "-map", "0:a"}, h264, more)
}

var (
	h264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "10", "-crf", "4"}
	// large pictures, next to which PCM is less than four fifths of the file
	large = []string{"-c:v", "mjpeg", "-q:v", "1", "-s", "320x240"}
)

func pcm(more ...string) []string {
	return slices.Concat([]string{"-map", "1:v", "-map", "0:a"}, large, more)
}

// twoTracks has a second sound, in German.
func twoTracks(more ...string) []string {
	return slices.Concat([]string{
		"-f", "lavfi", "-i", "aevalsrc='0.3*sin(2*PI*(200+90*t)*t)':s=44100:d=3",
		"-map", "1:v", "-map", "0:a", "-map", "2:a", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
	}, h264, more)
}

// shifted has the sound, or the picture, later by a time in seconds.
func shifted(what, by string, more ...string) []string {
	in := []string{"-itsoffset", by, "-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+150*t)*t)':s=48000:d=2", "-map", "1:v", "-map", "2:a"}
	if what == "picture" {
		in = []string{"-itsoffset", by, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=3", "-map", "2:v", "-map", "0:a"}
	}
	return slices.Concat(in, h264, more)
}

func fragments(flags string, more ...string) []string {
	return film(append([]string{"-movflags", flags}, more...)...)
}

// chapters are three, of which the last one ends with the picture.
func chapters(more ...string) []string {
	const meta = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=One\n" +
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=700\nEND=1900\ntitle=Two\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1900\nEND=3000\ntitle=Three\n"
	in := []string{"-f", "ffmetadata", "-i", "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte(meta)), "-map_metadata", "2"}
	return slices.Concat(in, film(more...))
}

// withSubtitle has a subtitle from 0.1 s to 2 s on its first track.
var withSubtitle = slices.Concat([]string{
	"-f", "srt", "-i", "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte("1\n00:00:00,100 --> 00:00:02,000\nHello\n\n")),
	"-map", "2:s", "-c:s", "mov_text",
}, film())

// measurements makes a track of data out of the subtitles, as action cameras have it.
func measurements(t *testing.T, b []byte) []byte {
	t.Helper()
	copy(b[boxAt(t, b, "moov", "trak#0", "mdia", "hdlr")+16:], "meta")
	copy(b[boxAt(t, b, "moov", "trak#0", "mdia", "minf", "stbl", "stsd")+20:], "gpmd")
	return b
}

// long is 45 s with two sounds, more than ffmpeg looks at in advance.
func long(more ...string) []string {
	return slices.Concat([]string{
		"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=5:duration=45",
		"-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+15*t)*t)':s=44100:d=45",
		"-f", "lavfi", "-i", "aevalsrc='0.3*sin(2*PI*(200+9*t)*t)':s=44100:d=45",
		"-map", "2:v", "-map", "3:a", "-map", "4:a", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
		"-c:v", "mpeg4", "-q:v", "2",
	}, more)
}

// With a chosen track, of the others only what ffmpeg looks at is sent.
func TestMP4ChosenTrackIsSmaller(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for _, args := range [][]string{long(), long("-movflags", "frag_keyframe+empty_moov")} {
		f, err := os.Open(makeMedia(t, "in.mp4", args...))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // only read
		both, one := open(t, f, sx.Options{}).Size(), open(t, f, sx.Options{Track: "2"}).Size()
		if one > both*3/4 {
			t.Errorf("%d bytes with one track, %d with both", one, both)
		}
	}
}

func TestMP4Codecs(t *testing.T) {
	t.Parallel()
	testVariants(t, []variant{
		{name: "aac.mp4", args: film()},
		{name: "index first.mp4", args: film("-movflags", "+faststart")},
		{name: "aac 44.1 kHz mono.m4v", args: film("-ar", "44100", "-ac", "1")},
		{name: "aac 5_1.mp4", args: film("-ac", "6")},
		{name: "mp3 is copied.mp4", args: film("-c:a", "libmp3lame")},
		{name: "mp3 is not copied.mp4", args: film("-c:a", "libmp3lame"), options: sx.Options{Preset: sx.PresetSpeech}},
		{name: "ac3.mp4", args: film("-c:a", "ac3")},
		{name: "eac3.mp4", args: film("-c:a", "eac3")},
		{name: "alac.mp4", args: pcm("-c:a", "alac")},
		{name: "opus.mp4", args: film("-c:a", "libopus")},
		{name: "flac.mp4", args: pcm("-c:a", "flac", "-strict", "-2")},
		{name: "aac.mov", args: film()},
		{name: "mp3.mov", args: film("-c:a", "libmp3lame")},
		{name: "alac.mov", args: pcm("-c:a", "alac")},
		{name: "pcm s16le.mov", args: pcm("-c:a", "pcm_s16le")},
		{name: "pcm s16be.mov", args: pcm("-c:a", "pcm_s16be")},
		{name: "pcm s24le, sound description 1.mov", args: pcm("-c:a", "pcm_s24le")},
		{name: "pcm f32be.mov", args: pcm("-c:a", "pcm_f32be")},
		{name: "pcm s24be 96 kHz, sound description 2.mov", args: pcm("-c:a", "pcm_s24be", "-ar", "96000", "-q:v", "1", "-s", "640x480")},
		{name: "pcm u8.mov", args: pcm("-c:a", "pcm_u8")},
		{name: "mulaw.mov", args: pcm("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1")},
		{name: "ima4.mov", args: pcm("-c:a", "adpcm_ima_qt")},
		{name: "ima4 as QuickTime counts it.mov", args: pcm("-c:a", "adpcm_ima_qt"), edit: func(t *testing.T, b []byte) []byte {
			return countFrames(t, b, 64)
		}},
		{name: "pcm as QuickTime counts it.mov", args: pcm("-c:a", "pcm_s16be"), edit: func(t *testing.T, b []byte) []byte {
			return countFrames(t, b, 1)
		}},
		{name: "aac.3gp", args: film("-c:a", "aac", "-ar", "44100")},
		{name: "speech.mp4", args: film(), options: sx.Options{Preset: sx.PresetSpeech}},
		{name: "mp2.mp4", args: film("-c:a", "mp2")},
		{name: "vorbis.mp4", args: film("-c:a", "libvorbis")},
		{name: "dts.mp4", args: pcm("-c:a", "dca", "-strict", "-2")},
		{name: "truehd.mp4", args: pcm("-c:a", "truehd", "-strict", "-2")},
		{name: "he-aac.mp4", args: film("-ar", "24000"), edit: func(t *testing.T, b []byte) []byte {
			// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): AAC LC of 24 kHz becomes SBR of 48 kHz
			return swap(t, b, "\x13\x10\x56\xE5\x00", "\x2B\x11\x88\x00\x00", 1)
		}},
		{name: "amr.3gp", args: []string{
			"-f", "amr", "-i", "data:audio/amr;base64," + amr(), "-map", "1:v", "-map", "2:a", "-c:v", "mpeg4", "-q:v", "1", "-c:a", "copy",
		}},
	})
}

// amr returns 3 s of AMR as base64: frames of 12.2 kbit/s (3GPP TS 26.101) with noise.
func amr() string {
	b := []byte("#!AMR\n")
	for i := range 150 {
		b = append(b, 0x3C)
		for k := range 31 {
			b = append(b, byte(i*7+k*k*13))
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestMP4Timing(t *testing.T) {
	t.Parallel()
	testVariants(t, []variant{
		{name: "late sound.mp4", args: shifted("sound", "0.8")},
		{name: "late sound.mov", args: shifted("sound", "0.8", "-c:a", "libmp3lame")},
		{name: "late picture.mp4", args: shifted("picture", "0.8")},
		{name: "late picture, no edit lists.mp4", args: shifted("picture", "0.8", "-use_editlist", "0")},
		{name: "late sound, no edit lists.mp4", args: shifted("sound", "0.8", "-use_editlist", "0")},
		{name: "no edit lists.mp4", args: film("-use_editlist", "0")},
		{name: "short sound.mp4", args: slices.Concat([]string{"-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+150*t)*t)':s=48000:d=1.3", "-map", "1:v", "-map", "2:a"}, h264)},
		{name: "short picture.mp4", args: slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1", "-map", "2:v", "-map", "0:a", "-b:a", "64k"}, h264)},
		{name: "gap.mp4", args: film("-af", "aselect='not(between(t,1,1.7))'")},
		{name: "gap, pcm.mov", args: pcm("-c:a", "pcm_s16le", "-af", "aselect='not(between(t,1,1.7))'")},
		{name: "variable frame rate.mp4", args: film("-vf", "select='not(mod(n,3))'", "-vsync", "vfr", "-b:a", "32k")},
		{name: "negative composition times.mp4", args: film("-movflags", "+negative_cts_offsets")},
		{name: "negative composition times and late sound.mp4", args: shifted("sound", "0.8", "-movflags", "+negative_cts_offsets", "-bf", "3")},
		{name: "negative composition times, sound without its beginning.mp4", args: film("-movflags", "+negative_cts_offsets", "-bf", "3"), edit: func(t *testing.T, b []byte) []byte {
			b = setEdits(t, b, 1, edit{800, -1}, edit{2000, 1024})
			copy(b[boxAt(t, b, "moov", "trak#0", "edts")+4:], "free")
			return b
		}},
		{name: "large time scale.mp4", args: film("-video_track_timescale", "90000", "-movie_timescale", "90000")},
		{name: "two edits.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			// 0.5 s from 1 s on, then 1.2 s from 0.2 s on
			return setEdits(t, b, 1, edit{500, 48000}, edit{1200, 9600})
		}},
		{name: "an empty edit between two.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			return setEdits(t, b, 1, edit{500, 1024}, edit{300, -1}, edit{1000, 30000})
		}},
		{name: "edits of the picture.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			return setEdits(t, b, 0, edit{700, -1}, edit{1000, 2048}, edit{500, 12288})
		}},
		{name: "the picture begins at its tenth frame.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			return setEdits(t, b, 0, edit{2000, 1024 * 12})
		}},
		{name: "cut without encoding.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			return ffmpegCopy(t, b, []string{"-ss", "0.75"}, nil)
		}},
		{name: "a long pause.mp4", args: film(), whole: "pause", edit: func(t *testing.T, b []byte) []byte {
			return setEdits(t, b, 1, edit{500, 1024}, edit{700_000, -1}, edit{1000, 30000})
		}},
		{name: "sound after 30 s.mp4", args: film(), whole: "begins late", edit: func(t *testing.T, b []byte) []byte {
			return setEdits(t, b, 1, edit{30_000, -1}, edit{2000, 1024})
		}},
	})
}

func TestMP4Tracks(t *testing.T) {
	t.Parallel()
	testVariants(t, []variant{
		{name: "two tracks.mp4", args: twoTracks()},
		{name: "the second is the default.mp4", args: twoTracks("-disposition:a:0", "0", "-disposition:a:1", "default")},
		{name: "track 2.mp4", args: twoTracks(), options: sx.Options{Track: "2"}},
		{name: "track 1.mp4", args: twoTracks("-movflags", "+faststart"), options: sx.Options{Track: "1"}},
		{name: "German.mp4", args: twoTracks(), options: sx.Options{Track: "de"}},
		{name: "no French.mp4", args: twoTracks(), options: sx.Options{Track: "fr"}},
		{name: "no third.mp4", args: twoTracks(), options: sx.Options{Track: "3"}},
		{name: "mono tracks.mov", args: slices.Concat([]string{
			"-filter_complex", "[0:a]channelsplit[l][r]", "-map", "1:v", "-map", "[l]", "-map", "[r]", "-c:a", "pcm_s16le",
		}, large)},
		{name: "sound first.mp4", args: slices.Concat([]string{"-map", "0:a", "-map", "1:v"}, h264)},
		{name: "two pictures.mp4", args: film("-map", "1:v")},
		{name: "subtitles.mp4", args: withSubtitle},
		{name: "subtitles in fragments.mp4", args: slices.Concat(withSubtitle, []string{"-movflags", "frag_keyframe+empty_moov"})},
		{name: "time code.mov", args: film("-timecode", "01:00:00:00")},
		{name: "disabled sound.mp4", args: film(), edit: func(t *testing.T, b []byte) []byte {
			tkhd := boxAt(t, b, "moov", "trak#1", "tkhd")
			b[tkhd+11] &^= 1
			return b
		}},
		{name: "an unknown codec in the second track.mov", args: twoTracks(), edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "trak#2", "mdia", "minf", "stbl", "stsd")+20:], "apac")
			return b
		}},
		{name: "an unknown codec in the first track.mov", args: twoTracks(), edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", "stsd")+20:], "apac")
			return b
		}},
		{name: "a codec that was not compared.mp4", args: film(), whole: "has not been compared", edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "trak#1", "mdia", "minf", "stbl", "stsd")+20:], "abcd")
			return b
		}},
		{name: "measurements.mp4", args: withSubtitle, edit: measurements},
		{name: "measurements in fragments.mp4", args: slices.Concat(withSubtitle, []string{"-movflags", "frag_keyframe+empty_moov"}), edit: measurements},
		{name: "45 s, track 2.mp4", args: long(), options: sx.Options{Track: "2"}},
		{name: "45 s, English.mp4", args: long(), options: sx.Options{Track: "en"}},
		// English in the numbers of QuickTime is 0.
		{name: "45 s, English in two forms.mp4", args: long(), options: sx.Options{Track: "en"}, edit: languages(0, english)},
		{name: "45 s, English in the other two forms.mov", args: long(), options: sx.Options{Track: "en"}, edit: languages(english, 0)},
		{name: "45 s, English in two forms, fragments.mp4", args: long("-movflags", "frag_keyframe+empty_moov"), options: sx.Options{Track: "en"}, edit: languages(0, english)},
		{name: "45 s, pcm, track 1.mov", args: long("-c:a", "pcm_s16le", "-ar", "16000", "-ac", "1", "-q:v", "1"), options: sx.Options{Track: "1"}},
		{name: "45 s, fragments, track 2.mp4", args: long("-movflags", "frag_keyframe+empty_moov"), options: sx.Options{Track: "2"}},
		{name: "fragments, track 2.mp4", args: twoTracks("-movflags", "frag_keyframe+empty_moov"), options: sx.Options{Track: "2"}},
	})
}

// english is the language in three letters of 5 bits.
const english = ('e'-0x60)<<10 | ('n'-0x60)<<5 | 'g' - 0x60

// languages sets the languages of the two sounds, which follow the picture.
func languages(first, second uint16) func(*testing.T, []byte) []byte {
	return func(t *testing.T, b []byte) []byte {
		binary.BigEndian.PutUint16(b[boxAt(t, b, "moov", "trak#1", "mdia", "mdhd")+28:], first)
		binary.BigEndian.PutUint16(b[boxAt(t, b, "moov", "trak#2", "mdia", "mdhd")+28:], second)
		return b
	}
}

func TestMP4Metadata(t *testing.T) {
	t.Parallel()
	cover := []string{
		"-f", "lavfi", "-i", "testsrc=size=64x64:duration=0.04", "-map", "2:v", "-c:v:1", "png", "-bf:v:1", "0", "-disposition:v:1", "attached_pic",
	}
	testVariants(t, []variant{
		{name: "tags.mp4", args: film("-metadata", "title=Größe", "-metadata", "artist=A", "-metadata", "comment=c", "-metadata", "track=3/7", "-metadata", "genre=Speech")},
		{name: "tags.mov", args: film("-metadata", "title=Größe", "-metadata", "artist=A", "-metadata", "comment=c")},
		{name: "other tags.mov", args: film("-movflags", "use_metadata_tags", "-metadata", "title=T", "-metadata", "mine=x")},
		{name: "cover.mp4", args: slices.Concat(cover[:4], film(), cover[4:])},
		{name: "chapters.mp4", args: chapters()},
		{name: "chapters, track only.mp4", args: chapters("-movflags", "disable_chpl")},
		{name: "chapters.mov", args: chapters()},
		{name: "chapters of the picture only.mp4", args: chapters("-movflags", "disable_chpl"), edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "trak#1", "tref", "chap")+4:], "hint")
			return b
		}},
		{name: "chapters with pictures.mp4", args: chapters("-map", "1:v", "-c:v:1", "mjpeg", "-bf:v:1", "0"), edit: func(t *testing.T, b []byte) []byte {
			for _, track := range []string{"trak#0", "trak#1"} {
				b[boxAt(t, b, "moov", track, "tref", "chap")+11] = 3 // the second picture, of which ffmpeg makes a cover
			}
			return b
		}},
		{name: "chapters, list only.mp4", args: chapters(), edit: func(t *testing.T, b []byte) []byte {
			copy(b[boxAt(t, b, "moov", "trak#1", "tref")+4:], "free")
			copy(b[boxAt(t, b, "moov", "trak#0", "tref")+4:], "free")
			return b
		}},
		{name: "chapters and late sound.mp4", args: slices.Concat(chapters()[:4], shifted("sound", "0.8")[:6], []string{"-map_metadata", "2", "-map", "1:v", "-map", "3:a"}, h264)},
		{name: "chapters in fragments.mp4", args: chapters("-movflags", "frag_keyframe+empty_moov")},
		{name: "two sample descriptions.mov", args: pcm("-c:a", "pcm_s16le"), edit: twoDescriptions},
	})
}

func TestMP4Fragments(t *testing.T) {
	t.Parallel()
	testVariants(t, []variant{
		{name: "empty index.mp4", args: fragments("frag_keyframe+empty_moov")},
		{name: "first fragment in the index.mp4", args: fragments("frag_keyframe")},
		{name: "default base.mp4", args: fragments("frag_keyframe+empty_moov+default_base_moof")},
		{name: "cmaf.mp4", args: fragments("cmaf+frag_keyframe")},
		{name: "dash.mp4", args: fragments("dash+frag_keyframe+empty_moov")},
		{name: "global index.mp4", args: fragments("dash+global_sidx+frag_keyframe+empty_moov+delay_moov")},
		{name: "separate fragments.mp4", args: fragments("frag_keyframe+empty_moov+separate_moof")},
		{name: "a fragment for each frame.mp4", args: fragments("frag_every_frame+empty_moov")},
		{name: "short fragments.mp4", args: fragments("empty_moov", "-frag_duration", "200000")},
		{name: "edit lists.mp4", args: fragments("frag_keyframe+delay_moov")},
		{name: "late sound.mp4", args: shifted("sound", "0.8", "-movflags", "frag_keyframe+empty_moov")},
		{name: "late sound with an edit list.mp4", args: shifted("sound", "0.8", "-movflags", "frag_keyframe+delay_moov")},
		{name: "late picture.mp4", args: shifted("picture", "0.8", "-movflags", "frag_keyframe+empty_moov")},
		{name: "negative composition times.mp4", args: shifted("sound", "0.8", "-movflags", "frag_keyframe+delay_moov+negative_cts_offsets", "-bf", "3")},
		{name: "negative composition times, first fragment in the index.mp4", args: shifted("sound", "0.8", "-movflags", "frag_keyframe+negative_cts_offsets", "-bf", "3")},
		{name: "no trailer.mp4", args: fragments("frag_keyframe+empty_moov+skip_trailer")},
		{name: "mp3.mp4", args: fragments("frag_keyframe+empty_moov", "-c:a", "libmp3lame")},
		{name: "opus.mp4", args: fragments("frag_keyframe+empty_moov", "-c:a", "libopus")},
		{name: "pcm.mov", args: pcm("-movflags", "frag_keyframe+empty_moov", "-c:a", "pcm_s16le")},
		{name: "gap.mp4", args: fragments("frag_keyframe+empty_moov", "-af", "aselect='not(between(t,1,1.7))'")},
		{name: "truncated.mp4", args: fragments("frag_keyframe+empty_moov"), edit: truncate(0.8)},
		{name: "a clock that starts at an hour.mp4", args: fragments("frag_keyframe+empty_moov+default_base_moof"), edit: func(t *testing.T, b []byte) []byte {
			return addToDecodeTimes(t, b, 3600)
		}},
	})
}

// The sizes in the segment index are those of the virtual file.
func TestMP4SegmentIndex(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for _, flags := range []string{"dash+global_sidx+frag_keyframe+empty_moov+delay_moov", "dash+frag_keyframe+empty_moov"} {
		f, err := os.Open(makeMedia(t, "in.mp4", fragments(flags)...))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // only read
		audio := open(t, f, sx.Options{})
		b := make([]byte, audio.Size())
		if _, err := audio.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		at := boxAt(t, b, "sidx")
		end := at + int(binary.BigEndian.Uint32(b[at:]))
		next := end + int(binary.BigEndian.Uint64(b[at+28:]))
		refs := int(binary.BigEndian.Uint16(b[at+38:]))
		for i := range refs {
			if kind := string(b[next+4 : next+8]); kind != "moof" && kind != "styp" {
				t.Errorf("%s: reference %d is to %q", flags, i, kind)
			}
			next += int(binary.BigEndian.Uint32(b[at+40+12*i:]) & 0x7FFFFFFF)
		}
		// ffmpeg writes an index of the fragments (mfra), which is left out, at the end.
		if refs == 0 || strings.Contains(flags, "global") && next != len(b) {
			t.Errorf("%s: %d references end at %d of %d", flags, refs, next, len(b))
		}
	}
}

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
