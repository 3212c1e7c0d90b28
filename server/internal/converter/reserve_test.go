package converter_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// onBothStores runs a test on localstore and on mongostore.
func onBothStores(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Run("localstore", func(t *testing.T) {
		t.Parallel()
		test(t, newFixture(t))
	})
	t.Run("mongostore", func(t *testing.T) {
		t.Parallel()
		server := mongodb.Start(t)
		s, err := mongostore.Open(t.Context(), mongostore.Config{
			URI: server.URI, Database: server.Database(t).Name(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		test(t, newFixtureOn(t, s))
	})
}

// limit sets the quota of an owner, or of the server.
func (f *fixture) limit(owner string, bytes int64) {
	f.t.Helper()
	if err := f.store.Limits.Replace(f.t.Context(), sx.Limits{Owner: owner, Bytes: &bytes}); err != nil {
		f.t.Fatal(err)
	}
}

// patient is config with renewals that a slow database has time for.
func (f *fixture) slowRenewals(tc converter.Transcoder) converter.Config {
	cfg := f.config(tc)
	cfg.Lease, cfg.RenewInterval = time.Minute, 10*time.Second
	return cfg
}

func (f *fixture) used(owner string) int64 {
	f.t.Helper()
	u, err := f.store.Jobs.Usage(f.t.Context(), owner, f.now())
	if err != nil {
		f.t.Fatal(err)
	}
	return u.Bytes
}

// waitForUsed waits until the owner uses that many bytes: mongostore subtracts what a job
// no longer needs a moment after the change of the job.
func (f *fixture) waitForUsed(owner string, want int64) {
	f.t.Helper()
	testkit.Eventually(f.t, "bytes in use", func() bool { return f.used(owner) == want }, func() any { return f.used(owner) })
}

// expander is a transcoder whose MP3 has size bytes, whatever the video, and counts those
// that were read of it.
type expander struct {
	size int64
	read atomic.Int64
	// middle is called when half of it was read; nil for nothing.
	middle func() error
}

func (e *expander) Transcode(_ context.Context, _ converter.Input, out converter.Output) (converter.Result, error) {
	const head = "head"
	half := func() io.Reader {
		return io.TeeReader(io.LimitReader(zeros{}, e.size/2), counter{&e.read})
	}
	second := readFunc(func([]byte) (int, error) {
		if e.middle != nil {
			if err := e.middle(); err != nil {
				return 0, err
			}
		}
		return 0, io.EOF
	})
	err := out.Put(1, store.Head{Size: len(head), Bytes: func() ([]byte, error) { return []byte(head), nil }}, io.MultiReader(half(), second, half()))
	return converter.Result{Durations: []time.Duration{time.Second}}, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

type readFunc func([]byte) (int, error)

func (r readFunc) Read(p []byte) (int, error) { return r(p) }

const video = "a small video"

func TestOutputOverTheQuota(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		const quota, buffer = 1 << 20, 1 << 20
		f.limit(sx.ServerLimits, quota)
		e := &expander{size: 80 << 20}
		j := f.queue([]byte(video))
		f.start(f.slowRenewals(e))
		got := f.waitForState(j.ID, sx.StateFailed)
		if got.Error.Code != sx.CodeQuotaExceeded || got.Attempt != 1 || !strings.Contains(got.Error.Message, "1.0 MB") || !strings.Contains(got.Error.Hint, "retry") {
			t.Errorf("after %d attempts: %+v", got.Attempt, got.Error)
		}
		if n := e.read.Load(); n > quota+buffer {
			t.Errorf("%d bytes were produced under a quota of %d", n, quota)
		}
		f.waitForUsed(j.Owner, int64(len(video)))
		if tracks := f.tracks(); len(tracks) > 0 {
			t.Errorf("the tracks %v are left", tracks)
		}
	})
}

func TestNoStorageLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limit(sx.ServerLimits, 1<<40)
	f.limit("owner", int64(len(video))) // counts instead of the server's
	e := &expander{size: 100}
	j := f.queue([]byte(video))
	f.start(f.config(e))
	if got := f.waitForState(j.ID, sx.StateFailed); got.Error.Code != sx.CodeQuotaExceeded || e.read.Load() > 0 {
		t.Errorf("%+v, %d bytes were produced", got.Error, e.read.Load())
	}
}

func TestReservation(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		const size, quota = 18 << 20, 20 << 20
		f.limit("owner", quota)
		var j sx.Job
		middle, once := make(chan struct{}), false
		e := &expander{size: size}
		e.middle = func() error {
			if once {
				return nil
			}
			now, err := f.store.Jobs.Get(t.Context(), j.ID)
			if err != nil {
				return err
			}
			u, err := f.store.Jobs.Usage(t.Context(), "owner", f.now())
			if err != nil {
				return err
			}
			if now.Reserved < e.read.Load() || u.Bytes != int64(len(video))+now.Reserved || u.Bytes > quota {
				t.Errorf("after %d bytes %d are reserved, %d in use", e.read.Load(), now.Reserved, u.Bytes)
			}
			once = true
			close(middle)
			return nil
		}
		j = f.upload([]byte(video))
		f.updater.Publish(t.Context(), "convert", j.ID)
		f.start(f.slowRenewals(e))
		<-middle
		f.waitForState(j.ID, sx.StateDone)
		f.waitForUsed("owner", int64(len(video))+size+int64(len("head")))
	})
}

// TestConcurrentReservations has conversions that fit one at a time, but not together.
func TestConcurrentReservations(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		const size, jobs = 3 << 20, 4
		f.limit("owner", jobs*int64(len(video))+2*(size+4)+1<<20)
		var list []sx.Job
		for range jobs {
			list = append(list, f.queue([]byte(video)))
		}
		cfg := f.slowRenewals(transcoderFunc(func(_ context.Context, _ converter.Input, out converter.Output) (converter.Result, error) {
			return converter.Result{Durations: []time.Duration{time.Second}}, out.Put(1, store.Head{}, bytes.NewReader(make([]byte, size)))
		}))
		cfg.Conversions = 4
		f.start(cfg)
		done := 0
		for _, j := range list {
			now := f.waitFor(j.ID, func(j sx.Job) bool { return j.State.Final() })
			if now.State == sx.StateDone {
				done++
			} else if now.Error.Code != sx.CodeQuotaExceeded {
				t.Errorf("%+v", now.Error)
			}
		}
		if done < 1 || done > 2 {
			t.Errorf("%d MP3s fitted", done)
		}
		f.waitForUsed("owner", jobs*int64(len(video))+int64(done)*size)
	})
}

// usageStore calls asked after each question about what an owner uses.
type usageStore struct {
	store.Jobs
	asked func()
}

func (u usageStore) Usage(ctx context.Context, owner string, now time.Time) (sx.Usage, error) {
	defer u.asked()
	return u.Jobs.Usage(ctx, owner, now)
}

// TestQuotaInUseForAMoment checks that a conversion that fits is not failed by what else
// uses the quota for a moment: an upload that is being refused.
func TestQuotaInUseForAMoment(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		f.limit("owner", 1<<20)
		j, refused := f.upload([]byte(video)), f.upload(make([]byte, 1<<20))
		f.updater.Publish(t.Context(), "convert", j.ID)
		cfg, updater := f.slowRenewals(&expander{size: 100 << 10}), *f.updater
		var asked atomic.Int32
		updater.Jobs = usageStore{f.store.Jobs, func() {
			if asked.Add(1) != 3 {
				return
			}
			if err := f.store.Jobs.Delete(t.Context(), refused); err != nil {
				t.Error(err)
			}
		}}
		cfg.Updater, cfg.Conversions = &updater, 1
		f.start(cfg)
		if got := f.waitFor(j.ID, func(j sx.Job) bool { return j.State.Final() }); got.State != sx.StateDone {
			t.Errorf("%+v", got.Error)
		}
	})
}

// TestLostReservation checks that a converter that dies leaves nothing reserved.
func TestLostReservation(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		j := f.upload([]byte(video))
		f.update(j.ID, func(j *sx.Job) error { return j.Claim("gone", time.Minute, f.now()) })
		f.update(j.ID, func(j *sx.Job) error { return j.Reserve(1, 1<<30) })
		if used := f.used("owner"); used != int64(len(video))+1<<30 {
			t.Errorf("%d bytes are in use with a reservation", used)
		}
		f.update(j.ID, func(j *sx.Job) error { return j.LoseWorker(1, f.now()) })
		if used := f.used("owner"); used != int64(len(video)) {
			t.Errorf("%d bytes are in use after the converter was lost", used)
		}
		if _, err := f.updater.Update(t.Context(), j.ID, func(j *sx.Job) error { return j.Reserve(1, 5) }); sx.CodeOf(err) != sx.CodeConflict {
			t.Errorf("the lost converter reserved: %v", err)
		}
	})
}
