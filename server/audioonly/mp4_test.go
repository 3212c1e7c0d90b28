package audioonly_test

import (
	"encoding/base64"
	"encoding/binary"
	"os"
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
