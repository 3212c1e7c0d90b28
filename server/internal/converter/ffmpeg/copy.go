package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/store"
)

// maxMetadata is the maximum size of tags and cover in bytes.
const maxMetadata = 32 << 20

// copy copies the MP3 stream of the video.
func (c *conversion) copy(ctx context.Context, p plan) (converter.Result, error) {
	dir, err := os.MkdirTemp(c.cfg.TempDir, tempPrefix+"*")
	if err != nil {
		return converter.Result{}, fmt.Errorf("creating the temporary directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // New removes what is left
	out := filepath.Join(dir, "track.mp3")
	source, warnings, err := c.metadata(ctx, p)
	if err != nil {
		return converter.Result{}, err
	}

	args := append(c.programArgs(), c.input()...)
	args = append(args, "-i", c.url(), "-map", "0:"+strconv.Itoa(p.tracks[0].Index), "-map_metadata", "-1", "-map_chapters", "-1",
		"-c:a", "copy", "-fflags", "+bitexact", "-id3v2_version", "0", "-f", "mp3", "file:"+out)
	run := command{program: c.cfg.FFmpeg, args: args, cpu: c.cpuLimit(p), maxFile: c.cfg.MaxOutput}
	if p.want.basis == exact {
		audio := int64(p.want.end.Seconds() * maxBitrate * 1000 / 8)
		run.maxFile = min(c.cfg.MaxOutput, audio+audio/10+maxMetadata)
	}
	stderr, err := c.execute(ctx, run)
	if err != nil {
		return converter.Result{}, err
	}
	if err := c.in.Err(); err != nil {
		return converter.Result{}, err
	}
	duration, err := mp3Duration(out)
	if err != nil && !errors.Is(err, errNoFrame) {
		return converter.Result{}, err
	}
	d := decoded{rate: p.Rate, cut: stderr.cut, errors: stderr.errors}
	d.samples = (&clock{rate: p.Rate}).samples(duration)
	d.decoded = d.samples
	judged, err := p.judge(d)
	if err != nil {
		return converter.Result{}, err
	}
	e := &encoding{conversion: c, plan: p, source: source}
	tag, more := e.tag(d.placed, duration)

	file, err := os.Open(out)
	if err != nil {
		return converter.Result{}, fmt.Errorf("opening the finished MP3: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	head := store.Head{Size: len(tag), Bytes: func() ([]byte, error) { return tag, nil }}
	if err := c.output.Put(head, io.Reader(file)); err != nil {
		return converter.Result{}, err
	}
	return converter.Result{Duration: duration, Warnings: append(append(judged, warnings...), more...)}, nil
}
