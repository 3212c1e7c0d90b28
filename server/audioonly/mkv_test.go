package audioonly_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/matroska"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// both are ffmpeg's arguments for the picture, the sound and their codecs.
func both(video, audio string, more ...string) []string {
	args := []string{"-map", "1:v", "-map", "0:a", "-c:v", video, "-c:a", audio}
	switch video {
	case "libx264":
		args = append(args, "-preset", "ultrafast", "-qp", "10")
	case "libx265":
		args = append(args, "-preset", "ultrafast", "-x265-params", "log-level=error:qp=10")
	case "libvpx", "libvpx-vp9":
		args = append(args, "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M")
	case "libaom-av1":
		args = append(args, "-usage", "realtime", "-cpu-used", "8", "-b:v", "2M")
	case "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "libtheora":
		args = append(args, "-q:v", "2")
	}
	if slices.Contains([]string{"mpeg1video", "mpeg2video"}, video) {
		args = append(args, "-r", "25")
	}
	return append(args, append(more, "-strict", "-2")...)
}

// small is a picture that is encoded quickly, and an audio codec.
func small(more ...string) []string { return both("mpeg4", "aac", more...) }

// setup changes that of the pictures' decoder. An empty one is left out.
func setup(change func([]byte) []byte) func(*testing.T, []byte) []byte {
	return editTree(func(t *testing.T, s *node) {
		entry, _ := trackEntry(t, s, 1, 1)
		private := entry.first(matroska.CodecPrivate)
		if private.data = change(private.data); len(private.data) == 0 {
			entry.remove(matroska.CodecPrivate)
		}
	})
}

func TestMKVCodecs(t *testing.T) {
	testVariants(t, []variant{
		{name: "H.264 AAC.mkv", args: both("libx264", "aac", "-bf", "3")},
		{name: "H.265 Opus.mkv", args: both("libx265", "libopus")},
		{name: "AV1 Opus.webm", args: both("libaom-av1", "libopus")},
		{name: "VP8 Vorbis.webm", args: both("libvpx", "libvorbis")},
		{name: "VP9 Opus.webm", args: both("libvpx-vp9", "libopus")},
		{name: "MPEG-4 MP3.mkv", args: both("mpeg4", "libmp3lame", "-bf", "2")},
		{name: "MPEG-2 AC-3.mkv", args: both("mpeg2video", "ac3")},
		{name: "MPEG-1 MP2.mkv", args: both("mpeg1video", "mp2")},
		{name: "Theora E-AC-3.mkv", args: both("libtheora", "eac3")},
		{name: "MJPEG FLAC.mkv", args: both("mjpeg", "flac")},
		{name: "MJPEG PCM.mkv", args: both("mjpeg", "pcm_s16le", "-s", "640x480")},
		{name: "MJPEG PCM big endian.mkv", args: both("mjpeg", "pcm_s24be", "-s", "640x480")},
		{name: "MJPEG PCM float.mkv", args: both("mjpeg", "pcm_f32le", "-ar", "22050", "-s", "640x480")},
		{name: "ProRes ALAC.mkv", args: both("prores", "alac")},
		{name: "MJPEG TTA.mkv", args: both("mjpeg", "tta", "-s", "640x480")},
		{name: "MJPEG WavPack.mkv", args: both("mjpeg", "wavpack", "-s", "640x480")},
		{name: "MJPEG TrueHD.mkv", args: both("mjpeg", "truehd")},
		{name: "MJPEG DTS.mkv", args: both("mjpeg", "dca", "-b:a", "512k")},
		{name: "MJPEG ADPCM.mkv", args: both("mjpeg", "adpcm_ms")},
		{name: "FFV1 AAC.mkv", args: both("ffv1", "aac"), edit: editTree(func(t *testing.T, s *node) {
			entry, _ := trackEntry(t, s, 1, 1)
			entry.first(matroska.CodecID).data = []byte("V_FFV1")
			private := entry.first(matroska.CodecPrivate) // a BITMAPINFOHEADER, and what V_FFV1 has
			private.data = private.data[40:]
		})},
		{name: "H.264 without its setup.mkv", args: both("libx264", "aac"), whole: "incomplete", edit: setup(func([]byte) []byte { return nil })},
		{name: "H.265 without its setup.mkv", args: both("libx265", "aac"), whole: "incomplete", edit: setup(func([]byte) []byte { return nil })},
		{name: "Theora without its setup.mkv", args: both("libtheora", "aac"), whole: "incomplete", edit: setup(func([]byte) []byte { return nil })},
		{name: "Theora with a part of its setup.mkv", args: both("libtheora", "aac"), whole: "incomplete", edit: setup(func(b []byte) []byte { return b[:40] })},
		{name: "Theora with a damaged setup.mkv", args: both("libtheora", "aac"), whole: "incomplete", edit: setup(func(b []byte) []byte { b[0] ^= 0x40; return b })},
		{name: "MPEG-4 without its setup.mkv", args: both("mpeg4", "aac"), edit: setup(func([]byte) []byte { return nil })},
		{name: "Video for Windows.mkv", args: both("ffv1", "aac"), whole: "unusual codec"},
		{name: "AAC 5.1.mkv", args: small("-ac", "6")},
		{name: "raw picture.mkv", args: both("rawvideo", "aac"), whole: "unusual codec"},
		{name: "Speex.mkv", args: both("mjpeg", "real_144", "-ar", "8000", "-ac", "1"), whole: "unusual codec"},
	})
}

func TestMKVTimes(t *testing.T) {
	late := func(by string) []string { return []string{"-filter:a", "asetpts=PTS+" + by + "/TB"} }
	subtitle := dataURL("1\n00:00:00,100 --> 00:00:01,000\nfirst\n\n2\n00:00:03,000 --> 00:00:04,000\nlast\n")
	subtitles := func(more ...string) []string {
		return append([]string{"-f", "srt", "-i", subtitle}, small(append([]string{"-map", "2", "-c:s", "srt"}, more...)...)...)
	}
	testVariants(t, []variant{
		{name: "late audio.mkv", args: small(late("1.5")...)},
		{name: "late MP3.mkv", args: both("mpeg4", "libmp3lame", late("1.5")...)},
		{name: "slightly late MP3.mkv", args: both("mpeg4", "libmp3lame", late("0.03")...)},
		{name: "late Opus.webm", args: both("libvpx", "libopus", late("0.7")...)},
		{name: "very late audio.mkv", args: small(late("13")...), whole: "begins late"},
		{name: "late picture.mkv", args: small("-filter:v", "setpts=PTS+1/TB")},
		{name: "late picture with B-frames.mkv", args: both("libx264", "aac", "-bf", "3", "-filter:v", "setpts=PTS+1/TB")},
		{name: "picture in the middle.mkv", args: small("-filter:v", "setpts=PTS+2.5/TB"), whole: "picture begins late"},
		{name: "both late.mkv", args: small("-filter:v", "setpts=PTS+1.2/TB", "-filter:a", "asetpts=PTS+1.7/TB")},
		{name: "clock at three hours.mkv", args: small("-output_ts_offset", "10800")},
		{name: "short audio.mkv", args: small("-filter:a", "atrim=end=1")},
		{name: "gap.mkv", args: small(), edit: editTree(func(t *testing.T, s *node) {
			_, audio := trackEntry(t, s, 2, 1)
			n := 0
			blocks(s, audio, func(uint64, *node) bool { n++; return n < 30 || n > 70 })
		})},
		{name: "gap in MP3.mkv", args: both("mpeg4", "libmp3lame"), edit: editTree(func(t *testing.T, s *node) {
			_, audio := trackEntry(t, s, 2, 1)
			n := 0
			blocks(s, audio, func(uint64, *node) bool { n++; return n < 30 || n > 70 })
		})},
		{name: "clock set.mkv", args: small("-cluster_time_limit", "500"), edit: editTree(func(_ *testing.T, s *node) { shift(s, 1400, 30_000) })},
		{name: "pause of minutes.mkv", args: small("-cluster_time_limit", "500"), edit: editTree(func(_ *testing.T, s *node) { shift(s, 1400, 660_000) }), whole: "pauses"},
		{name: "other clock.mkv", args: small(), edit: editTree(func(_ *testing.T, s *node) { s.first(matroska.Info).set(matroska.TimestampScale, 700_000) })},
		{name: "subtitles.mkv", args: subtitles()},
		{name: "subtitles first.mkv", args: subtitles("-filter:v", "setpts=PTS+1/TB", "-filter:a", "asetpts=PTS+1.3/TB")},
		{name: "subtitles first in Opus.mkv", args: append([]string{"-f", "srt", "-i", subtitle}, both("libvpx", "libopus", "-map", "2", "-c:s", "srt", "-filter:v", "setpts=PTS+0.5/TB", "-filter:a", "asetpts=PTS+0.8/TB")...)},
		{name: "two pictures.mkv", args: small("-map", "1:v")},
		{name: "without pictures.mkv", args: small(), edit: editTree(func(t *testing.T, s *node) {
			_, n := trackEntry(t, s, 1, 1)
			blocks(s, n, func(uint64, *node) bool { return false })
		}), whole: "empty"},
		{name: "without audio.mkv", args: []string{"-map", "1:v", "-c:v", "mpeg4"}, whole: "no audio"},
	})
}

func TestMKVForms(t *testing.T) {
	tree := editTree
	live := tree(func(_ *testing.T, s *node) {
		s.endless = true
		s.first(matroska.Info).remove(matroska.Duration)
		s.remove(matroska.Tags)
		for _, c := range s.all(matroska.Cluster) {
			c.endless = true
		}
	})
	noDuration := tree(func(_ *testing.T, s *node) {
		s.first(matroska.Info).remove(matroska.Duration)
		s.remove(matroska.Tags)
	})
	tagsLast := func(s *node) {
		tags := s.first(matroska.Tags)
		tags.kids = append(tags.kids, master(matroska.Tag, master(matroska.SimpleTag, text(0x45A3, "ARTIST"), text(0x4487, "Somebody"))))
		s.remove(matroska.Tags)
		s.kids = append(s.kids, tags)
	}
	laced := func(kind byte) func(*testing.T, []byte) []byte {
		return tree(func(t *testing.T, s *node) {
			_, audio := trackEntry(t, s, 2, 1)
			// Audio blocks must follow each other.
			for _, c := range s.all(matroska.Cluster) {
				slices.SortStableFunc(c.kids, func(a, b *node) int {
					rank := func(n *node) int {
						if n.id == matroska.SimpleBlock && n.data[0] == audio {
							return 1
						}
						return 0
					}
					return rank(a) - rank(b)
				})
			}
			lace(s, audio, kind)
		})
	}
	short := []string{"-cluster_time_limit", "500"}
	testVariants(t, []variant{
		{name: "live.mkv", args: small("-live", "1")},
		{name: "live with unknown sizes.mkv", args: small(short...), edit: live},
		{name: "live WebM.webm", args: both("libvpx", "libopus", short...), edit: live},
		{name: "live MP3.mkv", args: both("libx264", "libmp3lame", short...), edit: live},
		{name: "live AC-3.mkv", args: both("libx264", "ac3", short...), edit: live},
		{name: "no duration.mkv", args: small(), edit: noDuration},
		{name: "unknown cluster in a known segment.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) {
			s.all(matroska.Cluster)[0].endless = true
		}), whole: "damaged"},
		{name: "stale duration.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) {
			s.first(matroska.Info).first(matroska.Duration).data = float(12_000)
		})},
		{name: "stale duration tag.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("00:00:03."), []byte("00:00:07."))
		}},
		{name: "Xiph lacing.mkv", args: both("mpeg4", "libvorbis"), edit: laced(0x02)},
		{name: "EBML lacing.mkv", args: small(), edit: laced(0x06)},
		{name: "MP3 with Xiph lacing.mkv", args: both("mpeg4", "libmp3lame"), edit: laced(0x02)},
		{name: "MP3 with EBML lacing.mkv", args: both("mpeg4", "libmp3lame", "-q:a", "5"), edit: laced(0x06)},
		{name: "MP3 with fixed lacing.mkv", args: both("mpeg4", "libmp3lame"), edit: laced(0x04)},
		{name: "fixed lacing.mkv", args: both("mpeg4", "ac3"), edit: laced(0x04)},
		{name: "header stripping.mkv", args: both("mpeg4", "ac3"), edit: tree(func(t *testing.T, s *node) {
			encode(t, s, 3, []byte{0x0B, 0x77}, func(b []byte) []byte { return b[2:] })
		})},
		{name: "zlib.mkv", args: small(), edit: tree(func(t *testing.T, s *node) { encode(t, s, 0, nil, deflate) })},
		{name: "encrypted.mkv", args: small(), edit: tree(func(t *testing.T, s *node) {
			entry, _ := trackEntry(t, s, 2, 1)
			entry.kids = append(entry.kids, master(matroska.ContentEncodings, master(matroska.ContentEncoding,
				integer(matroska.ContentEncodingType, 1), master(matroska.ContentEncryption, integer(0x47E1, 5)))))
		}), whole: "encrypted"},
		{name: "fillers.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) {
			void := text(matroska.Void, "\x1F\x43\xB6\x75 filler")
			s.insert(matroska.Info, void)
			s.insert(matroska.Cluster, void)
			for _, c := range s.all(matroska.Cluster) {
				c.kids = append([]*node{text(matroska.CRC32, "1234")}, slices.Insert(c.kids, 5, void)...)
			}
		})},
		{name: "block groups.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) {
			for _, c := range s.all(matroska.Cluster) {
				for i, k := range c.kids {
					if k.id == matroska.SimpleBlock {
						c.kids[i] = master(matroska.BlockGroup, &node{id: matroska.Block, data: k.data}, integer(matroska.BlockDuration, 21))
					}
				}
			}
		})},
		{name: "tags at the end.mkv", args: small("-metadata", "title=Talk"), edit: tree(func(_ *testing.T, s *node) { tagsLast(s) })},
		{name: "tags at the end with an index.mkv", args: small("-metadata", "title=Talk"), edit: tree(func(_ *testing.T, s *node) {
			tagsLast(s)
			seekHead(s)
		})},
		{name: "wrong index.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) {
			tagsLast(s)
			seekHead(s)
			s.insert(matroska.Cluster, text(matroska.Void, "moves the tags"))
		}), whole: "index is wrong"},
		{name: "tags.mkv", args: small("-metadata", "title=Talk", "-metadata", "artist=Somebody", "-metadata", "date=2026", "-metadata", "comment=c")},
		{name: "unknown element.mkv", args: small(), edit: tree(func(_ *testing.T, s *node) { s.insert(matroska.Cluster, text(0x4D80, "x")) }), whole: "unknown element"},
		{name: "appended.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte { return append(b, b...) }, whole: "follows the end"},
		{name: "mostly audio.mkv", args: both("mpeg4", "pcm_s16le", "-s", "32x32"), whole: "almost only audio"},
	})
}

func TestMKVTracks(t *testing.T) {
	several := small("-map", "0:a", "-map", "0:a",
		"-filter:a:1", "volume=0.5", "-filter:a:2", "volume=0.25,asetpts=PTS+0.5/TB",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=fra",
		"-metadata:s:a:2", "title=Commentary")
	testVariants(t, []variant{
		{name: "several.mkv", args: several},
		{name: "default.mkv", args: append(slices.Clone(several), "-disposition:a:0", "0", "-disposition:a:1", "default")},
		{name: "flags.mkv", args: append(slices.Clone(several), "-disposition:a:0", "comment", "-disposition:a:1", "hearing_impaired+forced", "-disposition:a:2", "original")},
		{name: "number.mkv", args: several, options: sx.Options{Track: "2"}},
		{name: "late number.mkv", args: several, options: sx.Options{Track: "3"}},
		{name: "language.mkv", args: several, options: sx.Options{Track: "de"}},
		{name: "other language.mkv", args: several, options: sx.Options{Track: "fr"}},
		{name: "no such number.mkv", args: several, options: sx.Options{Track: "7"}},
		{name: "no such language.mkv", args: several, options: sx.Options{Track: "ja"}},
		{name: "other codecs.mkv", args: small("-map", "0:a", "-c:a:1", "libopus"), options: sx.Options{Track: "1"}},
		{name: "undecodable default.mkv", args: several, edit: editTree(func(t *testing.T, s *node) {
			entry, _ := trackEntry(t, s, 2, 1)
			entry.first(matroska.CodecPrivate).data = []byte{0xFF, 0xFF}
		})},
		{name: "without a language.mkv", args: several, options: sx.Options{Track: "eng"}, edit: editTree(func(t *testing.T, s *node) {
			entry, _ := trackEntry(t, s, 2, 2)
			entry.remove(matroska.Language)
		})},
		{name: "mono.mkv", args: small("-ac", "1"), options: sx.Options{Preset: sx.PresetSpeech}},
	})
}

// mkvChapters returns a chapter element with the given starts in ms. Those without an end
// last until the next one.
func mkvChapters(ordered uint64, starts ...uint64) *node {
	edition := master(matroska.EditionEntry, integer(matroska.EditionFlagOrdered, ordered))
	for i, start := range starts {
		nested := master(matroska.ChapterAtom, integer(matroska.ChapterUID, uint64(100+i)), integer(matroska.ChapterTimeStart, start*1e6+5e8),
			master(matroska.ChapterDisplay, text(0x85, "nested"), text(0x437C, "eng")))
		edition.kids = append(edition.kids, master(matroska.ChapterAtom, integer(matroska.ChapterUID, uint64(i+1)),
			integer(matroska.ChapterTimeStart, start*1e6), master(matroska.ChapterDisplay, text(0x85, "Part "+strconv.Itoa(i+1)), text(0x437C, "eng")), nested))
	}
	return master(matroska.Chapters, edition)
}

func TestMKVChaptersAndCovers(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range picture.Pix {
		picture.Pix[i] = color.Gray{Y: byte(i)}.Y
	}
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, picture); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, picture, nil); err != nil {
		t.Fatal(err)
	}
	asWebP, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	file := func(uid uint64, name, media string, data []byte) *node {
		return master(0x61A7, text(0x466E, name), text(matroska.FileMediaType, media), &node{id: matroska.FileData, data: data}, integer(0x46AE, uid))
	}
	font := file(9, "font.ttf", "application/x-truetype-font", bytes.Repeat([]byte("font"), 5000))
	attach := func(files ...*node) func(*testing.T, []byte) []byte {
		return editTree(func(_ *testing.T, s *node) { s.insert(matroska.Cluster, master(matroska.Attachments, files...)) })
	}
	chapter := func(list *node) func(*testing.T, []byte) []byte {
		return editTree(func(_ *testing.T, s *node) { s.insert(matroska.Cluster, list) })
	}
	metadata := dataURL(";FFMETADATA1\ntitle=Talk\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=A\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2500\ntitle=B\n")
	withChapters := func(more ...string) []string {
		return append([]string{"-f", "ffmetadata", "-i", metadata}, small(append([]string{"-map_metadata", "2", "-map_chapters", "2"}, more...)...)...)
	}
	two := mkvChapters(0, 500, 1500)
	two.kids = append(two.kids, mkvChapters(0, 2000).kids...)
	testVariants(t, []variant{
		{name: "chapters.mkv", args: withChapters()},
		{name: "chapters and late audio.mkv", args: withChapters("-filter:a", "asetpts=PTS+0.8/TB")},
		{name: "chapters without an end.mkv", args: small(), edit: chapter(mkvChapters(0, 0, 1000, 2000))},
		{name: "chapters without an end and short audio.mkv", args: small("-filter:a", "atrim=end=2"), edit: chapter(mkvChapters(0, 0, 1000))},
		{name: "chapters without an end and late.mkv", args: small("-filter:v", "setpts=PTS+1/TB", "-filter:a", "asetpts=PTS+1.5/TB"), edit: chapter(mkvChapters(0, 1200, 2000))},
		{name: "chapters without a duration.mkv", args: both("libx264", "libmp3lame"), edit: editTree(func(_ *testing.T, s *node) {
			s.first(matroska.Info).remove(matroska.Duration)
			s.insert(matroska.Cluster, mkvChapters(0, 0, 1000))
		})},
		{name: "editions.mkv", args: small(), edit: chapter(two)},
		{name: "ordered chapters.mkv", args: small(), edit: chapter(mkvChapters(1, 0, 1000)), whole: "ordered chapters"},
		{name: "cover.mkv", args: small(), edit: attach(file(1, "cover.jpg", "image/jpeg", asJPEG.Bytes()))},
		{name: "covers.mkv", args: small(), edit: attach(font, file(1, "back.jpg", "image/jpeg", asJPEG.Bytes()), font, file(2, "cover.png", "image/png", asPNG.Bytes()))},
		{name: "WebP cover.mkv", args: small(), edit: attach(file(1, "cover.webp", "image/webp", asWebP), font)},
		{name: "broken cover.mkv", args: small(), edit: attach(file(1, "cover.jpg", "image/jpeg", []byte("no picture")))},
		{name: "empty cover.mkv", args: small(), edit: attach(file(1, "cover.jpg", "image/jpeg", nil), font)},
		{name: "cover at the end.mkv", args: small(), edit: editTree(func(_ *testing.T, s *node) {
			s.kids = append(s.kids, master(matroska.Attachments, font, file(1, "cover.jpg", "image/jpeg", asJPEG.Bytes())))
			seekHead(s)
		})},
	})
}

// TestMKVCut cuts files, in the index, between blocks and in them.
func TestMKVCut(t *testing.T) {
	testVariants(t, []variant{
		{name: "in the index.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte { return b[:300] }, whole: "damaged"},
		{name: "last byte.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte { return b[:len(b)-1] }},
		{name: "without the cues.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte {
			return b[:bytes.LastIndex(b, []byte{0x1C, 0x53, 0xBB, 0x6B})]
		}},
	})
	cut := func(b []byte, seed uint64) []byte {
		if testkit.IsLong() {
			return b[:rand.New(rand.NewPCG(seed, 2)).IntN(len(b))] //nolint:gosec // reproducible
		}
		return b[:len(b)*(2*int(seed)+3)/10] //nolint:gosec // small
	}
	for name, edit := range map[string]func(*testing.T, []byte) []byte{
		"finished": func(_ *testing.T, b []byte) []byte { return b },
		"live": editTree(func(_ *testing.T, s *node) {
			s.endless = true
			s.first(matroska.Info).remove(matroska.Duration)
			for _, c := range s.all(matroska.Cluster) {
				c.endless = true
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			testEdits(t, "in.mkv", both("libx264", "ac3", "-cluster_time_limit", "700"), edit, 3, cut)
		})
	}
}

// testEdits compares count files that edit makes of one, or a hundred times as many in
// make test-long. Some are sent whole.
func testEdits(t *testing.T, name string, args []string, first func(*testing.T, []byte) []byte, count int, edit func(b []byte, seed uint64) []byte) {
	t.Helper()
	testkit.Need(t, "ffmpeg", "ffprobe")
	if testkit.IsLong() {
		count *= 100
	}
	good, err := os.ReadFile(makeMedia(t, name, args...))
	if err != nil {
		t.Fatal(err)
	}
	good = first(t, good)
	var whole atomic.Int64
	t.Run("files", func(t *testing.T) {
		for seed := range uint64(count) { //nolint:gosec // positive
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				b := edit(slices.Clone(good), seed)
				_, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{})
				if e, ok := errors.AsType[*audioonly.WholeFileError](err); ok {
					whole.Add(1)
					t.Log(e.Reason)
					return
				}
				path := filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				compare(t, path, sx.Options{}, "")
			})
		}
	})
	t.Logf("%d of %d files are sent whole", whole.Load(), count)
}

// damage changes bytes at places that depend on the seed.
func damage(b []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		switch r.IntN(3) {
		case 0:
			b[at] ^= byte(1 << r.IntN(8))
		case 1:
			clear(b[at:min(len(b), at+1+r.IntN(200))])
		case 2:
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(20)))
		}
	}
	return b
}

// TestMKVDamaged changes random bytes. The result is the same, or the whole file is sent.
func TestMKVDamaged(t *testing.T) {
	testEdits(t, "in.mkv", small("-cluster_time_limit", "700"), func(_ *testing.T, b []byte) []byte { return b }, 6, damage)
}

// TestMKVFormats takes out audio whose channels or rate change after a second, in the
// codecs that say so in each frame.
func TestMKVFormats(t *testing.T) {
	// The second track's frames replace the first one's.
	join := editTree(func(t *testing.T, s *node) {
		_, first := trackEntry(t, s, 2, 1)
		entry, second := trackEntry(t, s, 2, 2)
		late := func(cluster uint64, b *node) bool {
			return cluster+uint64(b.data[1])<<8+uint64(b.data[2]) > 1000
		}
		blocks(s, first, func(cluster uint64, b *node) bool { return !late(cluster, b) })
		blocks(s, second, late)
		blocks(s, second, func(_ uint64, b *node) bool { b.data[0] = first; return true })
		tracks := s.first(matroska.Tracks)
		tracks.kids = slices.DeleteFunc(tracks.kids, func(k *node) bool { return k == entry })
	})
	var variants []variant
	for _, codec := range []string{"ac3", "eac3", "mp2", "libmp3lame", "dca"} {
		for _, change := range [][4]string{
			{"1", "48000", "2", "48000"}, {"2", "48000", "1", "48000"}, {"2", "48000", "2", "44100"}, {"6", "48000", "2", "48000"},
		} {
			if change[0] == "6" && codec != "ac3" {
				continue
			}
			v := variant{
				name: codec + " " + strings.Join(change[:], " ") + ".mkv", edit: join,
				args: both("mpeg4", codec, "-map", "0:a", "-ac:a:0", change[0], "-ar:a:0", change[1], "-ac:a:1", change[2], "-ar:a:1", change[3]),
			}
			// In a file with more than 16 MB of pictures before the change, the MP3 would differ.
			if codec != "dca" {
				v.whole = "format changes"
			}
			variants = append(variants, v)
		}
	}
	testVariants(t, variants)
}

func TestMKVHoles(t *testing.T) {
	testVariants(t, []variant{
		{name: "hole.mkv", args: small(), edit: func(_ *testing.T, b []byte) []byte {
			clear(b[len(b)/2 : len(b)/2+20_000])
			return b
		}, whole: "damaged"},
		{name: "hole in the audio.mkv", args: small(), edit: editTree(func(t *testing.T, s *node) {
			_, audio := trackEntry(t, s, 2, 1)
			n := 0
			blocks(s, audio, func(_ uint64, b *node) bool {
				if n++; n > 40 && n < 60 {
					clear(b.data[4:])
				}
				return true
			})
		})},
	})
}
