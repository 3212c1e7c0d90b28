package converter_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

// house is a store and a bus that several converters share.
type house struct {
	t       *testing.T
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	ahead   atomic.Int64 // how far the clock was moved on
}

func newHouse(t *testing.T) *house {
	t.Helper()
	s, err := localstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := &house{t: t, store: s, bus: membus.New()}
	t.Cleanup(func() { _ = h.bus.Close() })
	h.updater = &jobs.Updater{Jobs: s.Jobs, Bus: h.bus, Log: slog.New(slog.DiscardHandler), Now: h.now}
	return h
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// config has short times; a lease that a test does not want to lose is long
// enough for a busy machine.
func (h *house) config(tc converter.Transcoder) converter.Config {
	return converter.Config{
		Updater: h.updater, Bus: h.bus, Videos: h.store.Videos, Tracks: h.store.Tracks,
		Transcoder: tc, Slots: 1, TempDir: h.t.TempDir(),
		Log: slog.New(slog.DiscardHandler), Now: h.now, Registerer: prometheus.NewRegistry(),
		Lease: 10 * time.Second, Beat: 50 * time.Millisecond, Report: 10 * time.Millisecond,
		Reconcile: 20 * time.Millisecond, Sweep: 20 * time.Millisecond,
	}
}

// start runs a converter; the function that it returns stops it and waits.
func (h *house) start(cfg converter.Config) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- converter.New(cfg).Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				h.t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			h.t.Error("Run does not end")
		}
		h.empty(cfg.TempDir)
	}
	h.t.Cleanup(stop)
	return stop
}

// empty checks that nothing is left in the folder.
func (h *house) empty(dir string) {
	h.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		h.t.Errorf("left behind: %v, %v", entries, err)
	}
}

// upload stores a video and queues its job, without a wake-up message.
func (h *house) upload(content []byte) sx.Job {
	h.t.Helper()
	ctx := h.t.Context()
	j := sx.NewJob("owner", sx.Video{Name: "talk.mp4", Size: int64(len(content))}, sx.Options{}, h.now())
	if err := h.store.Videos.Create(ctx, j.ID, j.Video.Name, j.Video.Size); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.store.Videos.Append(ctx, j.ID, 0, bytes.NewReader(content)); err != nil {
		h.t.Fatal(err)
	}
	sealed, err := h.store.Videos.Complete(ctx, j.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := j.Queue(sealed.SHA256, h.now()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.store.Jobs.Create(ctx, j); err != nil {
		h.t.Fatal(err)
	}
	return h.job(j.ID)
}

// queue is upload with its wake-up message.
func (h *house) queue(content []byte) sx.Job {
	h.t.Helper()
	j := h.upload(content)
	h.updater.Created(h.t.Context(), j)
	h.updater.Publish(h.t.Context(), "convert", j.ID)
	return j
}

func (h *house) job(id string) sx.Job {
	h.t.Helper()
	j, err := h.store.Jobs.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

func (h *house) change(id string, fn func(*sx.Job) error) {
	h.t.Helper()
	if _, err := h.updater.Update(h.t.Context(), id, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) cancel(id string) {
	h.change(id, func(j *sx.Job) error { return j.Cancel(h.now()) })
}

// until waits for the job to be as is says.
func (h *house) until(id string, is func(sx.Job) bool) sx.Job {
	h.t.Helper()
	var j sx.Job
	eventually(h.t, func() bool { j = h.job(id); return is(j) }, func() any { return j })
	return j
}

func (h *house) untilState(id string, s sx.State) sx.Job {
	h.t.Helper()
	return h.until(id, func(j sx.Job) bool { return j.State == s })
}

func (h *house) tracks() []string {
	h.t.Helper()
	ids, err := h.store.Tracks.List(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

// only checks that the job's own track is the only one.
func (h *house) only(j sx.Job) {
	h.t.Helper()
	if ids := h.tracks(); j.Track == nil || !slices.Equal(ids, []string{j.Track.ID}) {
		h.t.Errorf("tracks %v, the job's is %+v", ids, j.Track)
	}
}

func eventually(t *testing.T, is func() bool, what func() any) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline.C:
			t.Fatalf("it did not come to that: %+v", what())
		case <-tick.C:
		}
	}
}

// echo is a Transcoder whose MP3 is the video with a word in front. Each call
// runs step first, if there is one.
type echo struct {
	calls atomic.Int32
	step  func(ctx context.Context, call int, progress func(converter.Progress)) error
}

func (e *echo) Transcode(ctx context.Context, src io.ReadSeeker, size int64, _ sx.Options, out string, progress func(converter.Progress)) (converter.Result, error) {
	call := int(e.calls.Add(1))
	if e.step != nil {
		if err := e.step(ctx, call, progress); err != nil {
			return converter.Result{}, err
		}
	}
	video, err := io.ReadAll(src)
	if err != nil {
		return converter.Result{}, err
	}
	return converter.Result{Duration: time.Duration(size) * time.Second}, os.WriteFile(out, append([]byte("mp3 of "), video...), 0o600)
}

// hang stops in its first call until the attempt is ended, and says so.
func hang() (*echo, <-chan struct{}) {
	begun := make(chan struct{})
	return &echo{step: func(ctx context.Context, call int, _ func(converter.Progress)) error {
		if call > 1 {
			return nil
		}
		close(begun)
		<-ctx.Done()
		return context.Cause(ctx)
	}}, begun
}

// away is a job store that can be made unreachable.
type away struct {
	store.Jobs
	// fails is asked before each Replace, and once more after it was stored.
	fails func(j sx.Job, stored bool) bool
	// down is whether nothing can be read either.
	down func() bool
}

var errAway = sx.NewError(sx.CodeUnavailable, "the store is away")

func (a *away) Get(ctx context.Context, id string) (sx.Job, error) {
	if a.down != nil && a.down() {
		return sx.Job{}, errAway
	}
	return a.Jobs.Get(ctx, id)
}

func (a *away) Replace(ctx context.Context, j sx.Job) error {
	if a.fails != nil && a.fails(j, false) {
		return errAway
	}
	if err := a.Jobs.Replace(ctx, j); err != nil {
		return err
	}
	if a.fails != nil && a.fails(j, true) {
		return errAway
	}
	return nil
}

// behind gives the configuration that job store.
func (h *house) behind(cfg converter.Config, a away) converter.Config {
	updater := *h.updater
	a.Jobs = h.store.Jobs
	updater.Jobs = &a
	cfg.Updater = &updater
	return cfg
}
