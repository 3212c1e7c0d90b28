package parallel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/sound"
)

// process is a running ffmpeg.
type process struct {
	io.WriteCloser
	out  io.Reader
	cmd  *exec.Cmd
	left int64 // bytes of input after which it is killed; below 0, never
}

func (p *process) Write(b []byte) (int, error) {
	if p.left >= 0 {
		if p.left -= int64(len(b)); p.left < 0 {
			p.left = -1
			p.Kill()
		}
	}
	return p.WriteCloser.Write(b)
}

func (p *process) Output() io.Reader { return p.out }
func (p *process) Wait() error       { return p.cmd.Wait() }
func (p *process) Kill()             { _ = p.cmd.Process.Kill() }

func command(ctx context.Context, s parallel.Settings, more ...string) *exec.Cmd {
	args := []string{"-v", "error", "-f", "f32le", "-ar", strconv.Itoa(s.Rate), "-ac", strconv.Itoa(s.Channels), "-i", "pipe:0", "-c:a", "libmp3lame"}
	if s.VBR() {
		args = append(args, "-q:a", strconv.Itoa(s.Quality))
	} else {
		args = append(args, "-b:a", strconv.Itoa(s.Bitrate)+"k")
	}
	args = append(append(args, more...), "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1")
	cmd := exec.CommandContext(ctx, program(), args...)
	return cmd
}

func program() string {
	if p := os.Getenv("SX_FFMPEG"); p != "" {
		return p
	}
	return "ffmpeg"
}

func start(ctx context.Context, s parallel.Settings, left int64) (parallel.Process, error) {
	cmd := command(ctx, s, "-flush_packets", "1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{in, out, cmd, left}, cmd.Start()
}

// singlePass returns the frames of a single pass.
func singlePass(t *testing.T, s parallel.Settings, pcm []byte) []byte {
	t.Helper()
	cmd := command(t.Context(), s)
	cmd.Stdin = bytes.NewReader(pcm)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fixture is a converter's encoders.
type fixture struct {
	*parallel.Encoders
	registry *prometheus.Registry
	// kill returns after how many bytes of input the n-th encoder is killed; below 0,
	// never.
	kill    func(n int64) int64
	started atomic.Int64
}

func newFixture(encoders int, memory int64) *fixture {
	f := &fixture{registry: prometheus.NewRegistry(), kill: func(int64) int64 { return -1 }}
	f.Encoders = &parallel.Encoders{
		Pool: parallel.NewPool(encoders), Memory: parallel.NewMemory(memory), Version: "3.100",
		Metrics: parallel.NewMetrics(f.registry),
		Start: func(ctx context.Context, s parallel.Settings) (parallel.Process, error) {
			return start(ctx, s, f.kill(f.started.Add(1)))
		},
	}
	return f
}

// outcomes returns how many chunks had which outcome.
func (f *fixture) outcomes(t *testing.T) map[string]int {
	t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			all[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
		}
	}
	return all
}

func recording(pcm []byte, expected int64) parallel.Recording {
	return parallel.Recording{Owner: "a", Samples: expected, PCM: func(_ context.Context, w io.Writer) error {
		_, err := io.Copy(w, struct{ io.Reader }{bytes.NewReader(pcm)})
		return err
	}}
}

// check encodes and compares with a single pass.
func (f *fixture) check(t *testing.T, s parallel.Settings, pcm []byte, expected int64) error {
	t.Helper()
	var out bytes.Buffer
	n, err := f.Encode(t.Context(), s, recording(pcm, expected), &out)
	want := singlePass(t, s, pcm)
	if errors.Is(err, parallel.ErrUnproven) {
		if !bytes.HasPrefix(want, out.Bytes()) {
			t.Errorf("%+v: what was written before %v is not that of a single pass", s, err)
		}
		return err
	}
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	if samples := int64(len(pcm) / 4 / s.Channels); n != samples {
		t.Errorf("%+v: %d samples, want %d", s, n, samples)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%+v: the bytes differ from those of a single pass from byte %d of %d on", s, firstDifference(out.Bytes(), want), len(want))
	}
	return nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func settings() []parallel.Settings {
	return []parallel.Settings{
		{Bitrate: 320},
		{Bitrate: 192},
		{Bitrate: 128},
		{Bitrate: 64},
		{Bitrate: 32},
		{Quality: 1},
		{Quality: 2},
		{Quality: 4},
		{Quality: 6},
		{Quality: 9},
	}
}

// TestSameBytes takes the settings, rates and numbers of channels in turns for each
// signal; TestSameBytesOfAll takes all of them.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	all := settings()
	for i, signal := range sound.Signals() {
		for j := range 2 {
			s := all[(3*i+j*7)%len(all)]
			s.Rate, s.Channels = []int{48000, 44100, 32000}[(i+j)%3], 2-(i+j)%2
			t.Run(fmt.Sprint(signal.Name, " ", s), func(t *testing.T) {
				t.Parallel()
				sameBytes(t, signal, s, 2+2*(i%2), 50)
			})
		}
	}
}

// sameBytes reports whether a chunk was encoded ahead. In VBR that depends on the signal.
func sameBytes(t *testing.T, signal sound.Signal, s parallel.Settings, encoders, seconds int) (ahead bool) {
	t.Helper()
	f := newFixture(encoders, 64<<20)
	pcm := long(signal, s, seconds*s.Rate+17)
	if err := f.check(t, s, pcm, int64(seconds*s.Rate)); err != nil {
		t.Logf("not proven: %v", err)
		if !s.VBR() || signal.Name == "speech" {
			t.Error("it should have been")
		}
	}
	t.Log(f.outcomes(t))
	ahead = f.outcomes(t)["proven"] > 0
	if !ahead && !s.VBR() {
		t.Error("no chunk was encoded ahead")
	}
	return ahead
}

// long returns that many samples of the signal, which repeats every five seconds.
func long(signal sound.Signal, s parallel.Settings, samples int) []byte {
	part := signal.PCM(s.Rate, s.Channels, 5*s.Rate)
	return bytes.Repeat(part, samples/(5*s.Rate)+1)[:4*s.Channels*samples]
}

func TestSameBytesOfAll(t *testing.T) {
	t.Parallel()
	testkit.Long(t)
	testkit.Need(t, "ffmpeg")
	speech, ahead := 0, 0
	for _, signal := range sound.Signals() {
		for _, rate := range []int{48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000} {
			for _, channels := range []int{1, 2} {
				for _, s := range settings() {
					s.Rate, s.Channels = rate, channels
					if !s.Parallel() || rate <= 24000 && s.Bitrate > 160 || rate <= 12000 && s.Bitrate > 64 {
						continue
					}
					t.Run(fmt.Sprint(signal.Name, " ", s), func(t *testing.T) {
						proven := sameBytes(t, signal, s, 4, 150)
						if s.VBR() && signal.Name == "speech" {
							speech++
							if proven {
								ahead++
							}
						}
					})
				}
			}
		}
	}
	if ahead < speech/2 {
		t.Errorf("only in %d of %d encodings of speech in VBR was a chunk encoded ahead", ahead, speech)
	}
}

// TestChunks takes chunks of random lengths for random numbers of encoders. The
// length of the chunks depends on the expected length of the recording and on the
// memory.
func TestChunks(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var pcm []byte // a bit of everything
	for _, v := range sound.Signals() {
		pcm = append(pcm, v.PCM(44100, 2, 44100*(5+r.IntN(20))+r.IntN(1152))...)
	}
	for range 3 {
		s := settings()[r.IntN(10)]
		s.Rate, s.Channels = 44100, 2
		encoders, expected := 2+r.IntN(15), int64(len(pcm)/8)/int64(1+r.IntN(4))
		memory := int64(encoders+2) * int64(16+r.IntN(20)) * 8 * 44100
		t.Run(fmt.Sprintf("%+v %d encoders %d bytes %d samples", s, encoders, memory, expected), func(t *testing.T) {
			t.Parallel()
			f := newFixture(encoders, memory)
			if err := f.check(t, s, pcm, expected); err != nil && !s.VBR() {
				t.Errorf("not proven: %v", err)
			}
			t.Log(f.outcomes(t))
		})
	}
}

// TestSteered encodes sound of which one chunk is proven and the next one depends on the
// reservoir, so that no encoder has the right one.
func TestSteered(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for _, s := range []parallel.Settings{{Rate: 48000, Channels: 2, Quality: 4}, {Rate: 44100, Channels: 2, Quality: 2}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			f := newFixture(4, 72<<20)
			pcm := append(quiet(long(signal(t, "chords"), s, 60*s.Rate)), long(signal(t, "clipped"), s, 40*s.Rate)...)
			if err := f.check(t, s, pcm, int64(len(pcm)/8)); err != nil {
				t.Errorf("not proven: %v", err)
			}
			// At 44.1 kHz the reservoirs of two encoders meet now and then.
			if s.Rate == 48000 && f.outcomes(t)["steered"] == 0 {
				t.Errorf("no encoder was steered: %v", f.outcomes(t))
			}
		})
	}
}

// TestEqualReservoirs encodes loud sound of which all chunks begin with frames that may
// depend on the reservoir. The pauses make the reservoirs of all encoders equal.
func TestEqualReservoirs(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	s := parallel.Settings{Rate: 48000, Channels: 2, Quality: 2}
	f := newFixture(4, 72<<20)
	second := long(signal(t, "clipped"), s, s.Rate)
	pcm := bytes.Repeat(append(bytes.Repeat(second, 19), make([]byte, len(second))...), 6)
	if err := f.check(t, s, pcm, int64(len(pcm)/8)); err != nil {
		t.Errorf("not proven: %v", err)
	}
	if got := f.outcomes(t); got["proven"] == 0 || got["reservoir"] > 0 {
		t.Errorf("not all chunks were used: %v", got)
	}
}

// quiet returns PCM at a tenth of its level.
func quiet(pcm []byte) []byte {
	for i := 0; i < len(pcm); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(pcm[i:]))
		binary.LittleEndian.PutUint32(pcm[i:], math.Float32bits(v/10))
	}
	return pcm
}

func signal(t *testing.T, name string) sound.Signal {
	t.Helper()
	for _, s := range sound.Signals() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no signal is called %s", name)
	return sound.Signal{}
}

// TestKilled kills every encoder but the first after some of its input, and then the
// first one too.
func TestKilled(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	s := parallel.Settings{Rate: 48000, Channels: 2, Bitrate: 128}
	pcm := long(sound.Signals()[0], s, 80*48000)
	f := newFixture(4, 64<<20)
	f.kill = func(n int64) int64 {
		if n == 2 || n == 3 {
			return n * 1 << 20
		}
		return -1
	}
	if err := f.check(t, s, pcm, int64(len(pcm)/8)); err != nil {
		t.Errorf("not proven: %v", err)
	}
	if n := f.started.Load(); n < 6 {
		t.Errorf("%d encoders were started, so none was killed", n)
	}

	f = newFixture(4, 64<<20)
	f.kill = func(n int64) int64 {
		if n == 1 {
			return 2 << 20
		}
		return -1
	}
	if err := f.check(t, s, pcm, int64(len(pcm)/8)); !errors.Is(err, parallel.ErrUnproven) {
		t.Errorf("the first encoder died, and the result is %v", err)
	}
}

// TestShort encodes recordings of which nothing can be encoded ahead.
func TestShort(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	for _, samples := range []int{1, 960, 1152, 48000} {
		for _, s := range []parallel.Settings{{Bitrate: 128}, {Quality: 2}} {
			s.Rate, s.Channels = 48000, 2
			f := newFixture(2, 64<<20)
			if err := f.check(t, s, sound.Signals()[0].PCM(s.Rate, s.Channels, samples), 0); err != nil {
				t.Errorf("%d samples: %v", samples, err)
			}
		}
	}
}

// TestSingle encodes with one encoder, while another recording has the pool's other one.
func TestSingle(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	s := parallel.Settings{Rate: 24000, Channels: 1, Quality: 0}
	pcm := sound.Signals()[1].PCM(s.Rate, s.Channels, 5*s.Rate)
	f := newFixture(1, 64<<20)
	var out bytes.Buffer
	n, err := f.Single(t.Context(), s, recording(pcm, 0), &out)
	if err != nil || n != int64(5*s.Rate) || !bytes.Equal(out.Bytes(), singlePass(t, s, pcm)) {
		t.Errorf("%d samples, %d bytes, %v", n, out.Len(), err)
	}
}

// TestErrors checks that errors of the decoder and of the writer end the encoding.
func TestErrors(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	s := parallel.Settings{Rate: 48000, Channels: 2, Bitrate: 128}
	pcm := long(sound.Signals()[0], s, 40*s.Rate)
	broken := errors.New("broken")
	f := newFixture(2, 64<<20)
	for name, encode := range map[string]func(context.Context, parallel.Settings, parallel.Recording, io.Writer) (int64, error){
		"several": f.Encode, "single": f.Single,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := encode(t.Context(), s, parallel.Recording{PCM: func(_ context.Context, w io.Writer) error {
				_, _ = w.Write(pcm)
				return broken
			}}, io.Discard)
			if !errors.Is(err, broken) {
				t.Errorf("the decoder failed, and the result is %v", err)
			}
			if _, err := encode(t.Context(), s, recording(pcm, 0), failing{broken}); !errors.Is(err, broken) {
				t.Errorf("the writer failed, and the result is %v", err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			_, err = encode(ctx, s, parallel.Recording{PCM: func(ctx context.Context, w io.Writer) error {
				_, _ = w.Write(pcm)
				cancel(broken)
				<-ctx.Done()
				return context.Cause(ctx)
			}}, io.Discard)
			if !errors.Is(err, broken) {
				t.Errorf("it was cancelled, and the result is %v", err)
			}
		})
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
