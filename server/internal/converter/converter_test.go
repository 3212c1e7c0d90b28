package converter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestConversion(t *testing.T) {
	testkit.Need(t, "ffmpeg")
	t.Parallel()
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "talk.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "sine=duration=2", "-f", "lavfi", "-i", "testsrc=duration=2:rate=10:size=64x48",
		"-metadata", "title=A talk", "-metadata", "artist=Ada", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.config(nil)
	if cfg.Transcoder, err = ffmpeg.New(t.Context(), ffmpeg.Config{Log: cfg.Log}); err != nil {
		t.Fatal(err)
	}
	f.start(cfg)

	j := f.waitForState(f.queue(video).ID, sx.StateDone)
	if j.Attempt != 1 || j.Progress != 100 || j.Notification != sx.NotificationPending || (j.Track(1).Duration-2*time.Second).Abs() > 100*time.Millisecond {
		t.Errorf("job %+v, track %+v", j, j.Track(1))
	}
	blob, err := f.store.Tracks.Open(t.Context(), j.Track(1).ID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	track, err := io.ReadAll(blob)
	if err != nil || int64(len(track)) != j.Track(1).Size {
		t.Errorf("%d bytes, %v", len(track), err)
	}
	if got := j.Track(1); got.Title != "A talk" || got.Artist != "Ada" || got.Album != "" {
		t.Errorf("the tag is recorded as %q, %q, %q", got.Title, got.Artist, got.Album)
	}
	if _, err := mp3.ReadInfo(track[id3.Size(track):]); err != nil {
		t.Errorf("the track does not begin like an MP3: %v", err)
	}
	f.wantOnlyTrackOf(j)

	bad := f.waitForState(f.queue([]byte("no video at all")).ID, sx.StateFailed)
	if bad.Attempt != 1 || bad.Error.Code != sx.CodeNotMedia || bad.Error.Hint == "" {
		t.Errorf("job %+v, error %+v", bad, bad.Error)
	}
}

func TestDuplicateMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.upload([]byte("video"))
	for range 10 {
		f.updater.Publish(t.Context(), bus.Convert, j.ID)
	}
	f.updater.Publish(t.Context(), bus.Convert, "nosuchjob")
	tc := &fakeTranscoder{}
	cfg := f.config(tc)
	cfg.Conversions = 4
	f.start(cfg)
	f.waitFor(j.ID, func(j sx.Job) bool {
		depth, err := f.bus.Depth(t.Context(), bus.Convert)
		return err == nil && j.State == sx.StateDone && depth == bus.Depth{}
	})
	if n := tc.calls.Load(); n != 1 {
		t.Errorf("%d conversions", n)
	}
}

func TestJobWithoutMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.upload([]byte("video"))
	f.ahead.Add(int64(time.Minute)) // longer than the reconciler waits for a message
	f.start(f.config(&fakeTranscoder{}))
	f.waitForState(j.ID, sx.StateDone)
}

func TestProgressIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	more := make(chan struct{})
	f.start(f.config(&fakeTranscoder{step: func(_ context.Context, _ int, progress func(converter.Progress)) error {
		progress(converter.Progress{Percent: 40, Remaining: 3 * time.Minute})
		<-more
		return nil
	}}))
	j := f.queue([]byte("video"))
	f.waitFor(j.ID, func(j sx.Job) bool { return j.Progress == 40 && j.Remaining == 3*time.Minute })
	close(more)
	f.waitForState(j.ID, sx.StateDone)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tc, started := newHangingTranscoder()
	cfg := f.config(tc)
	f.start(cfg)
	j := f.queue([]byte("video"))
	<-started
	f.cancel(j.ID)
	// The only slot takes the next job once the first attempt has ended.
	f.waitForState(f.queue([]byte("next")).ID, sx.StateDone)
	if j := f.job(j.ID); j.State != sx.StateCancelled || j.Error != nil || len(f.tracks()) != 1 {
		t.Errorf("job %+v, tracks %v", j, f.tracks())
	}
	wantMetrics(t, cfg, map[string]float64{"done": 1, "lease_lost": 1, "timed": 2, "running": 0})
}

func TestCancelJustBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("removed=%t", gone), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var id atomic.Value
			cfg := f.config(&fakeTranscoder{step: func(_ context.Context, call int, _ func(converter.Progress)) error {
				if call == 1 {
					f.cancel(id.Load().(string))
					if gone {
						return f.store.Jobs.Delete(t.Context(), f.job(id.Load().(string)))
					}
				}
				return nil
			}})
			cfg.ProgressInterval, cfg.SweepInterval = time.Hour, time.Hour // the cancellation is noticed only at the end
			j := f.upload([]byte("video"))
			id.Store(j.ID)
			f.start(cfg)
			f.updater.Publish(t.Context(), bus.Convert, j.ID)
			next := f.waitForState(f.queue([]byte("next")).ID, sx.StateDone)
			f.wantOnlyTrackOf(next)
		})
	}
}

func TestShutdownReleasesTheJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tc, started := newHangingTranscoder()
	cfg := f.config(tc)
	stop := f.start(cfg)
	id := f.queue([]byte("video")).ID
	<-started
	stop()
	j := f.job(id)
	if j.State != sx.StateQueued || j.Failures != 0 || j.LeaseExpirations != 0 || !j.NotBefore.IsZero() || len(f.tracks()) != 0 {
		t.Errorf("job %+v, tracks %v", j, f.tracks())
	}
	wantMetrics(t, cfg, map[string]float64{"released": 1, "timed": 1, "running": 0})

	f.start(f.config(&fakeTranscoder{}))
	if j := f.waitForState(id, sx.StateDone); j.Attempt != 2 {
		t.Errorf("attempt %d", j.Attempt)
	}
}

// TestDrain checks that a converter that is stopped claims nothing more and finishes the
// conversions that it has, and hands them back only after the time for that has passed.
func TestDrain(t *testing.T) {
	t.Parallel()
	t.Run("finishes", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		started, finish := make(chan struct{}, 1), make(chan struct{})
		cfg := f.config(&fakeTranscoder{step: func(ctx context.Context, _ int, _ func(converter.Progress)) error {
			started <- struct{}{}
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		cfg.Drain = time.Hour
		var log *testkit.LogBuffer
		cfg.Log, log = testkit.Logger(t)
		stop := f.start(cfg)
		first := f.queue([]byte("video")).ID
		<-started
		stopped := make(chan struct{})
		go func() { defer close(stopped); stop() }()
		log.Wait(t, "draining")
		next := f.uploadFor("other", []byte("next")).ID // a slot is free for it
		f.updater.Publish(t.Context(), bus.Convert, next)
		close(finish)
		<-stopped
		if j := f.job(first); j.State != sx.StateDone || j.Attempt != 1 {
			t.Errorf("the running job is %+v", j)
		}
		if j := f.job(next); j.State != sx.StateQueued || j.Attempt != 0 {
			t.Errorf("the job that came later is %+v", j)
		}
		wantMetrics(t, cfg, map[string]float64{"done": 1, "timed": 1, "running": 0})
	})
	t.Run("hands back", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		tc, started := newHangingTranscoder()
		cfg := f.config(tc)
		cfg.Drain = time.Millisecond
		stop := f.start(cfg)
		id := f.queue([]byte("video")).ID
		<-started
		stop()
		if j := f.job(id); j.State != sx.StateQueued || j.Failures != 0 {
			t.Errorf("the job is %+v", j)
		}
	})
}

// wantMetrics waits for the counters of results and for the gauge of running ones.
func wantMetrics(t *testing.T, cfg converter.Config, want map[string]float64) {
	t.Helper()
	var got map[string]float64
	testkit.Eventually(t, "metrics of the attempts", func() bool {
		families, err := cfg.Registerer.(*prometheus.Registry).Gather()
		if err != nil {
			t.Fatal(err)
		}
		got = map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				switch f.GetName() {
				case "sx_converter_attempts_total":
					got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				case "sx_converter_attempt_duration_seconds":
					got["timed"] = float64(m.GetHistogram().GetSampleCount())
				case "sx_converter_running":
					got["running"] = m.GetGauge().GetValue()
				}
			}
		}
		return maps.Equal(got, want)
	}, func() any { return got })
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		err      error
		attempts int
		code     sx.Code
	}{
		{"permanent", sx.NewError(sx.CodeNoAudio, "the video has no audio track"), 1, sx.CodeNoAudio},
		{"permanent, wrapped", fmt.Errorf("converting: %w", sx.NewError(sx.CodeTruncated, "cut")), 1, sx.CodeTruncated},
		{"unknown", errors.New("ffmpeg: signal: killed"), sx.MaxFailures, sx.CodeConversionFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tc := &fakeTranscoder{step: func(context.Context, int, func(converter.Progress)) error { return tt.err }}
			f.start(f.config(tc))
			id := f.queue([]byte("video")).ID
			for n := 1; n < tt.attempts; n++ {
				j := f.waitFor(id, func(j sx.Job) bool { return j.Failures == n })
				if j.State != sx.StateQueued || !j.NotBefore.After(f.now()) || j.Error.Code != tt.code {
					t.Fatalf("after failure %d: %+v", n, j)
				}
				f.ahead.Add(int64(5 * time.Minute)) // past the retry delay
			}
			j := f.waitForState(id, sx.StateFailed)
			if j.Attempt != tt.attempts || j.Error.Code != tt.code || j.Error.Hint == "" || j.Notification != sx.NotificationPending {
				t.Errorf("job %+v, error %+v", j, j.Error)
			}
			if strings.Contains(j.Error.Message, "signal") {
				t.Errorf("the cause is in the message: %q", j.Error.Message)
			}
			if ids := f.tracks(); len(ids) != 0 {
				t.Errorf("tracks %v", ids)
			}
		})
	}
}

// TestOutages checks that errors of the store cost the job no attempts, however often they
// occur.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, outage := range []error{
		fmt.Errorf("reading the stored video: %w", errUnavailable),
		sx.NewError(sx.CodeStorageFull, "the disk is full"),
	} {
		t.Run(string(sx.CodeOf(outage)), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			const times = sx.MaxFailures + 2
			f.start(f.config(&fakeTranscoder{step: func(_ context.Context, call int, _ func(converter.Progress)) error {
				if call <= times {
					return outage
				}
				return nil
			}}))
			id := f.queue([]byte("video")).ID
			for n := 1; n <= times; n++ {
				j := f.waitFor(id, func(j sx.Job) bool { return j.Attempt == n && j.State == sx.StateQueued })
				if j.Failures != 0 || j.LeaseExpirations != 0 || !j.NotBefore.After(f.now()) || j.Error.Code != sx.CodeOf(outage) {
					t.Fatalf("after outage %d: %+v", n, j)
				}
				f.ahead.Add(int64(5 * time.Minute)) // past the pause
			}
			if j := f.waitForState(id, sx.StateDone); j.Attempt != times+1 || j.Failures != 0 {
				t.Errorf("job %+v", j)
			}
		})
	}
}

func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(f.config(&fakeTranscoder{step: func(_ context.Context, call int, _ func(converter.Progress)) error {
		if call == 1 {
			return errors.New("temporary error")
		}
		return nil
	}}))
	id := f.queue([]byte("video")).ID
	f.waitFor(id, func(j sx.Job) bool { return j.Failures == 1 })
	f.ahead.Add(int64(time.Minute))
	if j := f.waitForState(id, sx.StateDone); j.Error != nil || j.Attempt != 2 {
		t.Errorf("job %+v", j)
	}
}

// TestFailureAfterPut checks that no track is left of an attempt that fails after it
// has stored some.
func TestFailureAfterPut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config(transcoderFunc(func(_ context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
		for number := 1; number <= 2; number++ {
			if err := out.Put(number, store.Head{}, in.Video); err != nil {
				return converter.Result{}, err
			}
		}
		if ids := f.tracks(); len(ids) != 2 {
			t.Errorf("tracks %v during the attempt", ids)
		}
		return converter.Result{}, sx.NewError(sx.CodeTruncated, "the video is truncated")
	}))
	cfg.SweepInterval = time.Hour
	f.start(cfg)
	f.waitForState(f.queue([]byte("video")).ID, sx.StateFailed)
	if ids := f.tracks(); len(ids) != 0 {
		t.Errorf("tracks %v", ids)
	}
}

// TestSeveralTracks checks that a conversion may store several MP3s, and one of them again.
func TestSeveralTracks(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, f *fixture) {
		texts := []string{"first", "another", "the last"}
		// The quota holds what is stored, and not the MP3 that is replaced.
		f.limit("owner", int64(len(video)+len("first")+len("another")+len("the last")+len("too much")))
		f.start(f.slowRenewals(transcoderFunc(func(_ context.Context, _ converter.Input, out converter.Output) (converter.Result, error) {
			if err := out.Put(2, store.Head{}, strings.NewReader("early")); err == nil {
				t.Error("the second MP3 was stored before the first")
			}
			for _, put := range []struct {
				number int
				text   string
			}{{1, texts[0]}, {2, "early"}, {2, texts[1]}, {3, texts[2]}, {1, texts[0]}, {4, "too much"}} {
				if err := out.Put(put.number, store.Head{}, strings.NewReader(put.text)); err != nil {
					return converter.Result{}, err
				}
			}
			return converter.Result{Durations: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}}, nil
		})))
		j := f.waitForState(f.queue([]byte(video)).ID, sx.StateDone)
		var ids []string
		for i, text := range texts {
			track := j.Track(i + 1)
			if track == nil || track.Size != int64(len(text)) || track.Duration != time.Duration(i+1)*time.Second {
				t.Fatalf("track %d of %+v", i+1, j.Tracks)
			}
			blob, err := f.store.Tracks.Open(t.Context(), track.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(blob); err != nil || string(got) != text {
				t.Errorf("track %d is %q, %v", i+1, got, err)
			}
			_ = blob.Close()
			ids = append(ids, track.ID)
		}
		if slices.Sort(ids); !slices.Equal(f.tracks(), ids) {
			t.Errorf("tracks %v, those of the job are %v", f.tracks(), ids)
		}
		if used, err := f.store.Jobs.Usage(t.Context(), "owner", f.now()); err != nil || used.Bytes != int64(len(video)+5+7+8) {
			t.Errorf("used are %+v, %v", used, err)
		}
	})
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want := []sx.Warning{sx.NewWarning(sx.WarningTags, "the cover is lost")}
	f.start(f.config(transcoderFunc(func(_ context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
		return converter.Result{Durations: []time.Duration{time.Second}, Warnings: want}, out.Put(1, store.Head{}, in.Video)
	})))
	if j := f.waitForState(f.queue([]byte("video")).ID, sx.StateDone); !slices.Equal(j.Warnings, want) {
		t.Errorf("warnings %v", j.Warnings)
	}
}

func TestSuccessWithoutTrack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(f.config(transcoderFunc(func(context.Context, converter.Input, converter.Output) (converter.Result, error) {
		return converter.Result{}, nil
	})))
	j := f.queue([]byte("video"))
	if j = f.waitFor(j.ID, func(j sx.Job) bool { return j.Failures == 1 }); j.Error.Code != sx.CodeConversionFailed {
		t.Errorf("error %+v", j.Error)
	}
}

func TestMissingVideo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.upload([]byte("video"))
	if err := f.store.Videos.Remove(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	f.start(f.config(&fakeTranscoder{}))
	f.updater.Publish(t.Context(), bus.Convert, j.ID)
	if j := f.waitFor(j.ID, func(j sx.Job) bool { return j.Failures == 1 }); j.Error.Code != sx.CodeNotFound {
		t.Errorf("error %+v", j.Error)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	put := func(id string) string {
		if _, err := f.store.Tracks.Put(t.Context(), id, "x.mp3", store.Head{}, strings.NewReader("mp3")); err != nil {
			t.Fatal(err)
		}
		return id
	}
	attempt := func(n int, end func(j *sx.Job) error) sx.Job {
		j := f.upload([]byte("video"))
		for i := range n {
			f.update(j.ID, func(j *sx.Job) error { return j.Claim("w", time.Hour, f.now()) })
			if i < n-1 {
				f.update(j.ID, func(j *sx.Job) error { return j.Release(i+1, f.now()) })
			}
		}
		if end != nil {
			f.update(j.ID, end)
		}
		return j
	}
	running := attempt(2, nil)
	done := attempt(2, func(j *sx.Job) error { return j.Finish(2, []sx.Track{{ID: sx.TrackID(j.ID, 2, 1)}}, nil, f.now()) })
	cancelled := attempt(1, func(j *sx.Job) error { return j.Cancel(f.now()) })

	edited := attempt(1, func(j *sx.Job) error {
		return j.Finish(1, []sx.Track{{ID: sx.EditedTrackID(sx.TrackID(j.ID, 1, 1), f.now().Add(-9*time.Hour))}}, nil, f.now())
	})

	keep := []string{
		put(sx.TrackID(running.ID, 2, 1)), put(sx.TrackID(done.ID, 2, 1)), put(running.ID + "-odd"),
		put(f.job(edited.ID).Track(1).ID), put(sx.EditedTrackID(sx.TrackID(done.ID, 2, 1), f.now())), // which may be recorded yet
		put(sx.TrackID(running.ID, 2, 2)), put(sx.EditedTrackID(sx.TrackID(done.ID, 2, 2), f.now())),
	}
	put(sx.TrackID(running.ID, 1, 2))
	put(sx.TrackID(done.ID, 2, 12))
	put(sx.EditedTrackID(sx.TrackID(done.ID, 2, 2), f.now().Add(-2*time.Hour)))
	put(sx.TrackID(edited.ID, 1, 1))
	put(sx.EditedTrackID(sx.TrackID(done.ID, 2, 1), f.now().Add(-2*time.Hour)))
	put(sx.TrackID(running.ID, 1, 1))
	put(sx.TrackID(done.ID, 1, 1))
	put(sx.TrackID(cancelled.ID, 1, 1))
	put(sx.TrackID(sx.NewID(), 1, 1))
	slices.Sort(keep)

	cfg := f.config(&fakeTranscoder{})
	f.start(cfg)
	testkit.Eventually(t, "sweep of orphaned tracks", func() bool { return len(f.tracks()) <= len(keep) }, func() any { return f.tracks() })
	if got := f.tracks(); !slices.Equal(got, keep) {
		t.Errorf("kept %v, want %v", got, keep)
	}
}

// TestSweepLargeJobs has jobs of which a page of a list has one: the tracks of the others stay.
func TestSweepLargeJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var keep []string
	for range 3 {
		j := f.upload([]byte("video"))
		track := sx.Track{ID: sx.TrackID(j.ID, 1, 1)}
		if _, err := f.store.Tracks.Put(t.Context(), track.ID, "x.mp3", store.Head{}, strings.NewReader("mp3")); err != nil {
			t.Fatal(err)
		}
		f.update(j.ID, func(j *sx.Job) error { return j.Claim("w", time.Hour, f.now()) })
		f.update(j.ID, func(j *sx.Job) error { return j.Finish(1, []sx.Track{track}, nil, f.now()) })
		f.update(j.ID, func(j *sx.Job) error {
			j.Tracks[0].Title = strings.Repeat("a", store.MaxPageBytes)
			return nil
		})
		keep = append(keep, track.ID)
	}
	slices.Sort(keep)
	f.start(f.config(&fakeTranscoder{}))
	testkit.Eventually(t, "a pass of the sweep", func() bool {
		pass, err := f.store.Tasks.Get(t.Context(), "sweep tracks")
		return err == nil && !pass.Next.IsZero()
	})
	if got := f.tracks(); !slices.Equal(got, keep) {
		t.Errorf("kept %v, want %v", got, keep)
	}
}

func TestLoseAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	running, queued := f.upload([]byte("a")), f.upload([]byte("b"))
	f.update(running.ID, func(j *sx.Job) error { return j.Claim("dead", time.Hour, f.now()) })
	if err := converter.ReleaseAll(t.Context(), f.updater); err != nil {
		t.Fatal(err)
	}
	for id, attempts := range map[string]int{running.ID: 1, queued.ID: 0} {
		if j := f.job(id); j.State != sx.StateQueued || j.Attempt != attempts || j.LeaseExpirations != attempts || j.Failures != 0 {
			t.Errorf("job %+v", j)
		}
	}
}
