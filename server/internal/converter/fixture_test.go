package converter_test

import (
	"bytes"
	"context"
	"log/slog"
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
	"github.com/soundextract/sx/server/testkit"
)

// fixture is a store and a bus that several converters share.
type fixture struct {
	t       *testing.T
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	ahead   atomic.Int64 // offset of the clock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return newFixtureOn(t, s)
}

// newFixtureOn is newFixture with another store, which is closed at the end of the test.
func newFixtureOn(t *testing.T, s store.Store) *fixture {
	t.Helper()
	t.Cleanup(func() { _ = s.Close() })
	f := &fixture{t: t, store: s, bus: membus.New()}
	t.Cleanup(func() { _ = f.bus.Close() })
	f.updater = &jobs.Updater{Jobs: s.Jobs, Bus: f.bus, Log: slog.New(slog.DiscardHandler), Now: f.now}
	return f
}

func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

// config has short intervals. The lease is long, so that it does not expire on a busy
// machine.
func (f *fixture) config(tc converter.Transcoder) converter.Config {
	return converter.Config{
		Updater: f.updater, Bus: f.bus, Videos: f.store.Videos, Tracks: f.store.Tracks, Tasks: f.store.Tasks, Limits: f.store.Limits,
		Transcoder: tc, Conversions: 2,
		Log: slog.New(slog.DiscardHandler), Now: f.now, Registerer: prometheus.NewRegistry(),
		Lease: 10 * time.Second, RenewInterval: 50 * time.Millisecond, ProgressInterval: 10 * time.Millisecond,
		ReconcileInterval: 20 * time.Millisecond, PollInterval: 10 * time.Millisecond, SweepInterval: 20 * time.Millisecond,
	}
}

// start runs a converter; stop ends it and waits until it has returned.
func (f *fixture) start(cfg converter.Config) (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
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
				f.t.Errorf("Run: %v", err)
			}
		case <-time.After(testkit.Timeout):
			f.t.Error("Run did not return")
		}
	}
	f.t.Cleanup(stop)
	return stop
}

// upload stores a video and queues its job, without a wake-up message.
func (f *fixture) upload(content []byte) sx.Job {
	f.t.Helper()
	return f.uploadFor("owner", content)
}

func (f *fixture) uploadFor(owner string, content []byte) sx.Job {
	f.t.Helper()
	ctx := f.t.Context()
	j := sx.NewJob(owner, sx.NewUpload{Source: sx.Source{Name: "talk.mp4"}, Size: int64(len(content))}, f.now())
	if err := f.store.Videos.Create(ctx, j.ID, j.Sent.Name, j.Sent.Size); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.store.Videos.Append(ctx, j.ID, 0, bytes.NewReader(content)); err != nil {
		f.t.Fatal(err)
	}
	complete, err := f.store.Videos.Complete(ctx, j.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := j.Queue(complete.SHA256, f.now()); err != nil {
		f.t.Fatal(err)
	}
	if err := f.store.Jobs.Create(ctx, j); err != nil {
		f.t.Fatal(err)
	}
	return f.job(j.ID)
}

// queue is upload with a wake-up message.
func (f *fixture) queue(content []byte) sx.Job {
	f.t.Helper()
	j := f.upload(content)
	f.updater.Created(f.t.Context(), j)
	f.updater.Publish(f.t.Context(), "convert", j.ID)
	return j
}

func (f *fixture) job(id string) sx.Job {
	f.t.Helper()
	j, err := f.store.Jobs.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

func (f *fixture) update(id string, fn func(*sx.Job) error) {
	f.t.Helper()
	if _, err := f.updater.Update(f.t.Context(), id, fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) cancel(id string) {
	f.update(id, func(j *sx.Job) error { return j.Cancel(f.now()) })
}

// waitFor waits until cond returns true for the job.
func (f *fixture) waitFor(id string, cond func(sx.Job) bool) sx.Job {
	f.t.Helper()
	var j sx.Job
	testkit.Eventually(f.t, "state of job "+id, func() bool { j = f.job(id); return cond(j) }, func() any { return j })
	return j
}

func (f *fixture) waitForState(id string, s sx.State) sx.Job {
	f.t.Helper()
	return f.waitFor(id, func(j sx.Job) bool { return j.State == s })
}

func (f *fixture) tracks() []string {
	f.t.Helper()
	ids, _, err := f.store.Tracks.List(f.t.Context(), "", 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

// wantOnlyTrackOf checks that no track but the job's is stored.
func (f *fixture) wantOnlyTrackOf(j sx.Job) {
	f.t.Helper()
	if ids := f.tracks(); j.Track(1) == nil || !slices.Equal(ids, []string{j.Track(1).ID}) {
		f.t.Errorf("tracks %v, the job's is %+v", ids, j.Track(1))
	}
}

// fakeTranscoder is a Transcoder whose MP3 is a prefix and the video. Each call
// runs step first, if it is set.
type fakeTranscoder struct {
	calls atomic.Int32
	step  func(ctx context.Context, call int, progress func(converter.Progress)) error
}

func (e *fakeTranscoder) Transcode(ctx context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
	call := int(e.calls.Add(1))
	if e.step != nil {
		if err := e.step(ctx, call, out.Progress); err != nil {
			return converter.Result{}, err
		}
	}
	const head = "mp3 of "
	err := out.Put(1, store.Head{Size: len(head), Bytes: func() ([]byte, error) { return []byte(head), nil }}, in.Video)
	return converter.Result{Durations: []time.Duration{time.Duration(in.Size) * time.Second}}, err
}

// transcoderFunc is a Transcoder.
type transcoderFunc func(ctx context.Context, in converter.Input, out converter.Output) (converter.Result, error)

func (f transcoderFunc) Transcode(ctx context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
	return f(ctx, in, out)
}

// newHangingTranscoder returns a transcoder whose first call closes the channel and
// waits for the end of the attempt.
func newHangingTranscoder() (*fakeTranscoder, <-chan struct{}) {
	started := make(chan struct{})
	return &fakeTranscoder{step: func(ctx context.Context, call int, _ func(converter.Progress)) error {
		if call > 1 {
			return nil
		}
		close(started)
		<-ctx.Done()
		return context.Cause(ctx)
	}}, started
}

// faultyStore is a job store with injected faults.
type faultyStore struct {
	store.Jobs
	// fails is called before and after each Replace, which returns an error if
	// it returns true.
	fails func(j sx.Job, stored bool) bool
	// down makes reads of jobs fail.
	down func() bool
}

var errUnavailable = sx.NewError(sx.CodeUnavailable, "the store is unavailable")

func (a *faultyStore) Get(ctx context.Context, id string) (sx.Job, error) {
	if a.down != nil && a.down() {
		return sx.Job{}, errUnavailable
	}
	return a.Jobs.Get(ctx, id)
}

func (a *faultyStore) Due(ctx context.Context, action sx.Action, now time.Time, limit int) ([]sx.Job, error) {
	if a.down != nil && a.down() {
		return nil, errUnavailable
	}
	return a.Jobs.Due(ctx, action, now, limit)
}

func (a *faultyStore) Replace(ctx context.Context, j sx.Job) error {
	if a.fails != nil && a.fails(j, false) {
		return errUnavailable
	}
	if err := a.Jobs.Replace(ctx, j); err != nil {
		return err
	}
	if a.fails != nil && a.fails(j, true) {
		return errUnavailable
	}
	return nil
}

// withFaults makes the converter use the faulty store.
func (f *fixture) withFaults(cfg converter.Config, a faultyStore) converter.Config {
	updater := *f.updater
	a.Jobs = f.store.Jobs
	updater.Jobs = &a
	cfg.Updater = &updater
	return cfg
}
