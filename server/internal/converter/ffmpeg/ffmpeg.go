// Package ffmpeg converts with the programs ffmpeg and ffprobe. It is the only
// place that knows them, and it trusts neither the video nor what they say
// about it: they run confined, see one file, and their result is checked.
package ffmpeg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/sniff"
	"github.com/soundextract/sx/server/sx"
)

// Config says which programs to run and how much they may use. A zero limit is
// its default.
type Config struct {
	FFmpeg  string // path or name; "" is ffmpeg
	FFprobe string // path or name; "" is ffprobe

	// MaxMemory is the address space of one process in bytes (default 2 GiB).
	// macOS does not enforce it.
	MaxMemory int64
	// MaxOutput is the largest MP3 in bytes (default 4 GiB). A video whose
	// duration is known is held to less.
	MaxOutput int64
	// MinTime and MaxTime bound the time of a conversion, which in between is
	// ten times the video's duration (default 5 min and 6 h).
	MinTime, MaxTime time.Duration

	Log *slog.Logger
}

// Transcoder is a converter.Transcoder. It may be used from several goroutines.
type Transcoder struct {
	cfg        Config
	allowed    string // decoders of sound, and of pictures for the cover; comma-separated
	everything string // all decoders of this ffprobe, comma-separated; see input
}

var _ converter.Transcoder = (*Transcoder)(nil)

// New finds the programs and makes sure that they run and can encode MP3. If
// not, it returns an *sx.Error of code unavailable that says what to install.
func New(ctx context.Context, cfg Config) (*Transcoder, error) {
	cfg.MaxMemory = orDefault(cfg.MaxMemory, 2<<30)
	cfg.MaxOutput = orDefault(cfg.MaxOutput, 4<<30)
	cfg.MinTime = orDefault(cfg.MinTime, 5*time.Minute)
	cfg.MaxTime = orDefault(cfg.MaxTime, 6*time.Hour)
	var err error
	if cfg.FFmpeg, err = find(cfg.FFmpeg, "ffmpeg"); err != nil {
		return nil, err
	}
	if cfg.FFprobe, err = find(cfg.FFprobe, "ffprobe"); err != nil {
		return nil, err
	}
	encoders, err := codecs(ctx, cfg.FFmpeg, "-encoders")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(encoders, "libmp3lame") {
		return nil, missing("%s has no MP3 encoder (libmp3lame)", cfg.FFmpeg)
	}
	decoders, err := codecs(ctx, cfg.FFprobe, "-decoders")
	if err != nil {
		return nil, err
	}
	return &Transcoder{
		cfg:        cfg,
		allowed:    strings.Join(slices.DeleteFunc(slices.Clone(decoders), func(d string) bool { return !isAllowed(d) }), ","),
		everything: strings.Join(decoders, ","),
	}, nil
}

func orDefault[T int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func find(name, def string) (string, error) {
	if name == "" {
		name = def
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", missing("the program %s was not found", name).WithCause(err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("resolving the path of %s: %w", name, err)
	}
	return path, nil
}

func missing(format string, args ...any) *sx.Error {
	install := "sudo apt-get install ffmpeg"
	if runtime.GOOS == "darwin" {
		install = "brew install ffmpeg"
	}
	return sx.NewError(sx.CodeUnavailable, format, args...).WithHint("install it with: %s", install)
}

// codecs lists the names that the program gives for -encoders or -decoders.
func codecs(ctx context.Context, program, list string) ([]string, error) {
	cmd := exec.CommandContext(ctx, program, "-v", "error", list)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return nil, missing("%s does not run: %v", program, err).WithCause(err)
	}
	_, table, _ := strings.Cut(string(out), "------")
	var names []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			names = append(names, fields[1])
		}
	}
	return names, nil
}

// Transcode implements converter.Transcoder.
func (t *Transcoder) Transcode(ctx context.Context, src io.ReadSeeker, size int64, o sx.Options, out string, progress func(converter.Progress)) (converter.Result, error) {
	format, err := sniff.Read(src)
	if err != nil {
		return converter.Result{}, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return converter.Result{}, fmt.Errorf("resolving the output's path: %w", err)
	}
	in, err := serve(ctx, src, size)
	if err != nil {
		return converter.Result{}, err
	}
	defer in.Close()

	c := conversion{Transcoder: t, in: in, format: format, options: o, out: out, progress: progress}
	result, err := c.run(ctx)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return converter.Result{}, context.Cause(ctx)
	}
	// A video that could not be read to its end looks like one that is cut off.
	if broken := in.Err(); broken != nil {
		return converter.Result{}, fmt.Errorf("reading the stored video: %w", broken)
	}
	return converter.Result{}, err
}

// conversion is one call of Transcode.
type conversion struct {
	*Transcoder
	in       *source
	format   sniff.Format
	options  sx.Options
	out      string
	progress func(converter.Progress)
}

func (c *conversion) run(ctx context.Context) (converter.Result, error) {
	found, err := c.probe(ctx)
	if err != nil {
		return converter.Result{}, err
	}
	track, err := found.choose(c.options.Track)
	if err != nil {
		return converter.Result{}, err
	}
	want := found.expect(track, c.format)
	said, err := c.encode(ctx, found, track, want)
	if err != nil {
		return converter.Result{}, err
	}
	// The source may have broken off in a way that the programs took for the end.
	if c.in.Err() != nil {
		return converter.Result{}, c.in.Err()
	}
	duration, err := measure(c.out)
	if err != nil {
		return converter.Result{}, emptyTrack(err, want)
	}
	if err := want.check(duration, said.reached, said.damage); err != nil {
		return converter.Result{}, err
	}
	return converter.Result{Duration: duration}, nil
}
