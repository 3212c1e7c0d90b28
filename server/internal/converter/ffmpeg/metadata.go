package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/tracks"
	"github.com/soundextract/sx/server/sx"
)

// chapter is a chapter in ffprobe's report.
type chapter struct {
	Start seconds           `json:"start_time"` // on the file's clock
	End   seconds           `json:"end_time"`
	Tags  map[string]string `json:"tags"`
}

// metadata returns what the MP3's tag is made of, except the places of the chapters.
func (c *conversion) metadata(ctx context.Context, p plan) (id3.Source, []sx.Warning, error) {
	own, err := id3.Read(c.content(), c.end-c.base, c.format.Demuxer)
	if err != nil {
		return id3.Source{}, nil, fmt.Errorf("reading the tags: %w", err)
	}
	src := id3.Source{
		Demuxer: c.format.Demuxer, Tags: []map[string]string{p.found.Format.Tags}, Own: own,
		Language: tracks.Language(p.tracks[0].tag("language")), Copied: p.Copy, Cover: own.Front(),
		Set: id3.Texts{Title: c.options.Title, Artist: c.options.Artist, Album: c.options.Album},
	}
	if c.format.Demuxer == "ogg" { // where the tags are in the stream
		src.Tags = append(src.Tags, p.tracks[0].Tags)
	}
	var warnings []sx.Warning
	if src.Cover == nil {
		if src.Cover, err = c.cover(ctx, p.found); errors.Is(err, errCover) {
			warnings = append(warnings, sx.NewWarning(sx.WarningTags, "the cover art was left out: it cannot be read"))
		} else if err != nil {
			return id3.Source{}, nil, err
		}
	}
	return src, warnings, nil
}

// Codecs and media types of pictures that the tag can have. ffmpeg takes only some of
// Matroska's attachments for pictures.
var (
	coverCodecs = []string{"mjpeg", "png", "webp", "bmp", "gif"}
	coverTypes  = []string{"image/jpeg", "image/png", "image/webp", "image/bmp", "image/x-bmp", "image/gif"}
)

const attachment = "attachment" // a stream's type

func isCover(s stream) bool {
	if s.Type == attachment {
		return slices.Contains(coverTypes, s.tag("mimetype"))
	}
	return s.Is.Cover == 1 && slices.Contains(coverCodecs, s.Codec)
}

// maxCover is the maximum size of cover art in bytes.
const maxCover = 16 << 20

// errCover means that the cover art of a video cannot be read.
var errCover = errors.New("the cover art cannot be read")

// cover returns the file of the front cover, or nil if there is none.
func (c *conversion) cover(ctx context.Context, r *report) ([]byte, error) {
	var pictures []id3.Picture
	streams := slices.DeleteFunc(slices.Clone(r.Streams), func(s stream) bool { return !isCover(s) })
	for _, s := range streams {
		pictures = append(pictures, id3.DescribePicture(s.Tags))
	}
	front := id3.Front(pictures)
	if front < 0 {
		return nil, nil
	}
	args, index := append(c.programArgs(), c.input()...), strconv.Itoa(streams[front].Index)
	if streams[front].Type == attachment {
		// The output has no packets; ffmpeg fails without an output.
		args = append(args, "-dump_attachment:"+index, "pipe:1", "-i", c.url(), "-map", "0:a:0", "-c", "copy", "-t", "0", "-f", "null", "-")
	} else {
		args = append(args, "-i", c.url(), "-map", "0:"+index, "-c", "copy", "-frames:v", "1", "-f", "image2pipe", "pipe:1")
	}
	out := &cappedBuffer{left: maxCover}
	_, err := c.execute(ctx, command{phase: "read tags", program: c.cfg.FFmpeg, args: args, stdout: out, cpu: c.cfg.MaxProbe, maxFile: probeFile})
	switch {
	case ctx.Err() != nil, c.in.Err() != nil:
		return nil, err
	case err != nil, out.err != nil:
		return nil, errors.Join(errCover, err, out.err)
	}
	return out.content.Bytes(), nil
}
