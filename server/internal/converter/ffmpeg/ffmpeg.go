// Package ffmpeg converts videos with the programs ffmpeg and ffprobe, and is the only
// package that runs them. It trusts neither the video nor the programs' output: they
// run with resource limits, can read only the video, and their result is checked.
package ffmpeg

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

// Config has the programs and their limits. A zero limit means its default.
type Config struct {
	FFmpeg  string // path or name; default ffmpeg
	FFprobe string // path or name; default ffprobe

	// MaxMemory limits the address space of a process, in bytes (default 2 GiB). macOS
	// does not enforce it.
	MaxMemory int64
	// MaxData limits what a process allocates, in bytes, on Linux (default MaxMemory). Its
	// libraries and what it merely reserves do not count.
	MaxData int64
	// MaxOutput limits the size of the MP3 in bytes (default 4 GiB).
	MaxOutput int64
	// MaxProbe limits the CPU time of the probe (default 20 s); that of a small file is
	// limited to 5 s and one more for each MiB. A decoder or an encoder may
	// use as much CPU time as the audio is long, but at least MinCPU and at most MaxCPU
	// (default 5 min and 6 h).
	MaxProbe, MinCPU, MaxCPU time.Duration
	// MaxIdle is how long a program may do nothing (default 5 min).
	MaxIdle time.Duration

	// Encoders is how many encoders all conversions use together (default: one for each
	// CPU that this process may use).
	Encoders   int
	Registerer prometheus.Registerer // default: none

	// Sandbox says how the programs are started.
	Sandbox sandbox.Config

	Log *slog.Logger // default: none
}

// Transcoder is a converter.Transcoder. It is safe for concurrent use.
type Transcoder struct {
	cfg        Config
	box        *sandbox.Sandbox
	pool       *parallel.Pool
	memory     *parallel.Memory
	chunks     *parallel.Metrics
	singles    *prometheus.CounterVec
	allowed    string // decoders for audio and cover art, comma-separated
	everything string // all decoders of this ffprobe, comma-separated; see probe

	mu   sync.Mutex
	lame lame
}

var _ converter.Transcoder = (*Transcoder)(nil)

// New finds the programs and checks that they run and can encode MP3. If not,
// it returns an *sx.Error of code unavailable with a hint that says what to
// install.
func New(ctx context.Context, cfg Config) (*Transcoder, error) {
	cfg.MaxMemory = orDefault(cfg.MaxMemory, 2<<30)
	cfg.MaxData = min(orDefault(cfg.MaxData, cfg.MaxMemory), cfg.MaxMemory)
	cfg.MaxOutput = orDefault(cfg.MaxOutput, 4<<30)
	cfg.MaxProbe = orDefault(cfg.MaxProbe, 20*time.Second)
	cfg.MinCPU = orDefault(cfg.MinCPU, 5*time.Minute)
	cfg.MaxCPU = orDefault(cfg.MaxCPU, 6*time.Hour)
	cfg.MaxIdle = orDefault(cfg.MaxIdle, 5*time.Minute)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if cfg.FFmpeg, err = find(cfg.FFmpeg, "ffmpeg"); err != nil {
		return nil, err
	}
	if cfg.FFprobe, err = find(cfg.FFprobe, "ffprobe"); err != nil {
		return nil, err
	}
	box, err := sandbox.New(ctx, cfg.Sandbox, cfg.Log, cfg.FFmpeg, cfg.FFprobe)
	if err != nil {
		return nil, err
	}
	encoders, err := codecs(ctx, box, cfg.FFmpeg, "-encoders")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(encoders, "libmp3lame") {
		return nil, missing("%s has no MP3 encoder (libmp3lame)", cfg.FFmpeg)
	}
	decoders, err := codecs(ctx, box, cfg.FFprobe, "-decoders")
	if err != nil {
		return nil, err
	}
	size := cfg.Encoders
	if size == 0 {
		size = runtime.GOMAXPROCS(0) // respects the limit of a container
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	reportProtection(cfg.Registerer, box.Protection())
	return &Transcoder{
		cfg:        cfg,
		box:        box,
		allowed:    strings.Join(slices.DeleteFunc(slices.Clone(decoders), func(d string) bool { return !isAllowed(d) }), ","),
		everything: strings.Join(decoders, ","),
		pool:       parallel.NewPool(size),
		memory:     parallel.NewMemory(parallel.DefaultMemory(size)),
		chunks:     parallel.NewMetrics(cfg.Registerer),
		singles: promauto.With(cfg.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "sx_converter_single_passes_total",
			Help: "Recordings that one encoder encoded from start to end, by reason: settings (several encoders cannot make the same bytes) or unproven (it was not certain that they did).",
		}, []string{"reason"}),
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
		return "", missing("%s not found", name).WithCause(err)
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

// codecs returns the names that the program lists for -encoders or -decoders.
func codecs(ctx context.Context, box *sandbox.Sandbox, program, list string) ([]string, error) {
	cmd := box.Command(ctx, sandbox.Profile{CPU: time.Minute, File: probeFile, Memory: 2 << 30}, program, "-v", "error", list)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return nil, missing("cannot run %s: %v", program, err).WithCause(err)
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
func (t *Transcoder) Transcode(ctx context.Context, input converter.Input, output converter.Output) (converter.Result, error) {
	in, err := serveSource(ctx, input.Video, input.Size)
	if err != nil {
		return converter.Result{}, err
	}
	defer in.Close()
	files, err := filesOf(in, input)
	if err != nil {
		return converter.Result{}, err
	}
	c := conversion{
		Transcoder: t, in: in, base: files[0].base, end: files[0].end, format: files[0].format,
		options: input.Options, owner: input.Owner, output: output, start: time.Now(), pass: pass{0, 1},
		maxReport: maxReport,
	}
	if len(files) > 1 {
		c.files = files
	}
	result, err := c.run(ctx)
	if signal := crash(err); signal != "" && ctx.Err() == nil && in.Err() == nil {
		// A program that crashes twice in a row on the same video would do so again.
		t.cfg.Log.WarnContext(ctx, "converting again after a crash", "error", err)
		if result, err = c.run(ctx); crash(err) == signal {
			err = sx.NewError(sx.CodeUnreadable, "the file makes ffmpeg crash (%s)", signal).WithCause(err)
		}
	}
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return converter.Result{}, context.Cause(ctx)
	}
	// To ffmpeg, a video that cannot be read to its end looks like a truncated one.
	if broken := in.Err(); broken != nil {
		return converter.Result{}, fmt.Errorf("reading the stored video: %w", broken)
	}
	return converter.Result{}, err
}

// conversion is one call of Transcode.
type conversion struct {
	*Transcoder
	in      *source
	base    int64  // offset in the video where this conversion begins
	end     int64  // and where it ends
	files   []file // that are joined, of which base and end are those of the first; nil if there is one
	format  sniff.Format
	options sx.Options
	owner   string
	output  converter.Output
	start   time.Time
	pass    pass // of the decoder

	maxReport int // bytes of ffprobe's report
}

func (c *conversion) run(ctx context.Context) (converter.Result, error) {
	p, err := c.plan(ctx)
	if err != nil {
		return converter.Result{}, err
	}
	if p.Copy {
		return c.copy(ctx, p)
	}
	return c.encode(ctx, p)
}
