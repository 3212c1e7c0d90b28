package converter_test

import (
	"bytes"
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
	"github.com/soundextract/sx/server/sx"
)

func TestVideoBecomesTrack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := filepath.Join(t.TempDir(), "talk.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "sine=duration=2", "-f", "lavfi", "-i", "testsrc=duration=2:rate=10:size=64x48", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.config(nil)
	if cfg.Transcoder, err = ffmpeg.New(t.Context(), ffmpeg.Config{Log: cfg.Log}); err != nil {
		t.Fatal(err)
	}
	h.start(cfg)

	j := h.untilState(h.queue(video).ID, sx.StateDone)
	if j.Attempt != 1 || j.Progress != 100 || j.Notification != sx.NotificationPending || (j.Track.Duration-2*time.Second).Abs() > 100*time.Millisecond {
		t.Errorf("job %+v, track %+v", j, j.Track)
	}
	blob, err := h.store.Tracks.Open(t.Context(), j.Track.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	mp3, err := io.ReadAll(blob)
	if err != nil || int64(len(mp3)) != j.Track.Size || !bytes.HasPrefix(mp3, []byte("ID3")) {
		t.Errorf("%d bytes, %v", len(mp3), err)
	}
	h.only(j)

	bad := h.untilState(h.queue([]byte("no video at all")).ID, sx.StateFailed)
	if bad.Attempt != 1 || bad.Error.Code != sx.CodeNotMedia || bad.Error.Hint == "" {
		t.Errorf("job %+v, error %+v", bad, bad.Error)
	}
}

func TestDuplicateMessages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := h.upload([]byte("video"))
	for range 10 {
		h.updater.Publish(t.Context(), bus.Convert, j.ID)
	}
	h.updater.Publish(t.Context(), bus.Convert, "nosuchjob")
	tc := &echo{}
	cfg := h.config(tc)
	cfg.Slots = 4
	h.start(cfg)
	h.until(j.ID, func(j sx.Job) bool {
		depth, err := h.bus.Depth(t.Context(), bus.Convert)
		return err == nil && j.State == sx.StateDone && depth == bus.Depth{}
	})
	if n := tc.calls.Load(); n != 1 {
		t.Errorf("%d conversions", n)
	}
}

func TestForgottenJobIsRungFor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := h.upload([]byte("video"))
	h.ahead.Add(int64(time.Minute)) // it waits for long
	h.start(h.config(&echo{}))
	h.untilState(j.ID, sx.StateDone)
}

func TestProgressIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	more := make(chan struct{})
	h.start(h.config(&echo{step: func(_ context.Context, _ int, progress func(converter.Progress)) error {
		progress(converter.Progress{Percent: 40, Remaining: 3 * time.Minute})
		<-more
		return nil
	}}))
	j := h.queue([]byte("video"))
	h.until(j.ID, func(j sx.Job) bool { return j.Progress == 40 && j.Remaining == 3*time.Minute })
	close(more)
	h.untilState(j.ID, sx.StateDone)
}

func TestOwnerCancels(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tc, begun := hang()
	cfg := h.config(tc)
	h.start(cfg)
	j := h.queue([]byte("video"))
	<-begun
	h.cancel(j.ID)
	// The slot is free for the next one only when the first has ended.
	h.untilState(h.queue([]byte("next")).ID, sx.StateDone)
	if j := h.job(j.ID); j.State != sx.StateCancelled || j.Error != nil || len(h.tracks()) != 1 {
		t.Errorf("job %+v, tracks %v", j, h.tracks())
	}
	wantMetrics(t, cfg, map[string]float64{"done": 1, "lost": 1, "timed": 2, "running": 0})
}

func TestOwnerCancelsInTheLastMoment(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("removed=%t", gone), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var id atomic.Value
			cfg := h.config(&echo{step: func(_ context.Context, call int, _ func(converter.Progress)) error {
				if call == 1 {
					h.cancel(id.Load().(string))
					if gone {
						return h.store.Jobs.Delete(t.Context(), h.job(id.Load().(string)))
					}
				}
				return nil
			}})
			cfg.Report, cfg.Sweep = time.Hour, time.Hour // it learns of it only at the end
			j := h.upload([]byte("video"))
			id.Store(j.ID)
			h.start(cfg)
			h.updater.Publish(t.Context(), bus.Convert, j.ID)
			next := h.untilState(h.queue([]byte("next")).ID, sx.StateDone)
			h.only(next)
		})
	}
}

func TestShutdownHandsTheJobBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tc, begun := hang()
	cfg := h.config(tc)
	stop := h.start(cfg)
	id := h.queue([]byte("video")).ID
	<-begun
	stop()
	j := h.job(id)
	if j.State != sx.StateQueued || j.Failures != 0 || j.LeaseExpirations != 0 || !j.NotBefore.IsZero() || len(h.tracks()) != 0 {
		t.Errorf("job %+v, tracks %v", j, h.tracks())
	}
	wantMetrics(t, cfg, map[string]float64{"released": 1, "timed": 1, "running": 0})

	h.start(h.config(&echo{}))
	if j := h.untilState(id, sx.StateDone); j.Attempt != 2 {
		t.Errorf("attempt %d", j.Attempt)
	}
}

// wantMetrics compares counters of results, and that nothing runs any more.
func wantMetrics(t *testing.T, cfg converter.Config, want map[string]float64) {
	t.Helper()
	var got map[string]float64
	eventually(t, func() bool {
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
				case "sx_converter_attempt_seconds":
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
		{"store away", fmt.Errorf("reading the stored video: %w", errAway), sx.MaxFailures, sx.CodeUnavailable},
		{"disk full", sx.NewError(sx.CodeStorageFull, "the disk is full"), sx.MaxFailures, sx.CodeStorageFull},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			tc := &echo{step: func(context.Context, int, func(converter.Progress)) error { return tt.err }}
			h.start(h.config(tc))
			id := h.queue([]byte("video")).ID
			for n := 1; n < tt.attempts; n++ {
				j := h.until(id, func(j sx.Job) bool { return j.Failures == n })
				if j.State != sx.StateQueued || !j.NotBefore.After(h.now()) || j.Error.Code != tt.code {
					t.Fatalf("after failure %d: %+v", n, j)
				}
				h.ahead.Add(int64(5 * time.Minute)) // past the pause
			}
			j := h.untilState(id, sx.StateFailed)
			if j.Attempt != tt.attempts || j.Error.Code != tt.code || j.Error.Hint == "" || j.Notification != sx.NotificationPending {
				t.Errorf("job %+v, error %+v", j, j.Error)
			}
			if strings.Contains(j.Error.Message, "signal") {
				t.Errorf("the cause is shown: %q", j.Error.Message)
			}
			if ids := h.tracks(); len(ids) != 0 {
				t.Errorf("tracks %v", ids)
			}
		})
	}
}

func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start(h.config(&echo{step: func(_ context.Context, call int, _ func(converter.Progress)) error {
		if call == 1 {
			return errors.New("a hiccup")
		}
		return nil
	}}))
	id := h.queue([]byte("video")).ID
	h.until(id, func(j sx.Job) bool { return j.Failures == 1 })
	h.ahead.Add(int64(time.Minute))
	if j := h.untilState(id, sx.StateDone); j.Error != nil || j.Attempt != 2 {
		t.Errorf("job %+v", j)
	}
}

func TestMissingVideo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	j := h.upload([]byte("video"))
	if err := h.store.Videos.Remove(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	h.start(h.config(&echo{}))
	h.updater.Publish(t.Context(), bus.Convert, j.ID)
	if j := h.until(j.ID, func(j sx.Job) bool { return j.Failures == 1 }); j.Error.Code != sx.CodeNotFound {
		t.Errorf("error %+v", j.Error)
	}
}

func TestSweepKeepsWhatCounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	put := func(id string) string {
		if _, err := h.store.Tracks.Put(t.Context(), id, "x.mp3", strings.NewReader("mp3")); err != nil {
			t.Fatal(err)
		}
		return id
	}
	attempt := func(n int, end func(j *sx.Job) error) sx.Job {
		j := h.upload([]byte("video"))
		for i := range n {
			h.change(j.ID, func(j *sx.Job) error { return j.Claim("w", time.Hour, h.now()) })
			if i < n-1 {
				h.change(j.ID, func(j *sx.Job) error { return j.Release(i+1, h.now()) })
			}
		}
		if end != nil {
			h.change(j.ID, end)
		}
		return j
	}
	running := attempt(2, nil)
	done := attempt(2, func(j *sx.Job) error { return j.Finish(2, sx.Track{ID: sx.TrackID(j.ID, 2)}, h.now()) })
	cancelled := attempt(1, func(j *sx.Job) error { return j.Cancel(h.now()) })

	keep := []string{put(sx.TrackID(running.ID, 2)), put(sx.TrackID(done.ID, 2)), put(running.ID + "-odd")}
	put(sx.TrackID(running.ID, 1))
	put(sx.TrackID(done.ID, 1))
	put(sx.TrackID(cancelled.ID, 1))
	put(sx.TrackID(sx.NewID(), 1))
	slices.Sort(keep)

	cfg := h.config(&echo{})
	h.start(cfg)
	eventually(t, func() bool { return len(h.tracks()) <= len(keep) }, func() any { return h.tracks() })
	if got := h.tracks(); !slices.Equal(got, keep) {
		t.Errorf("kept %v, want %v", got, keep)
	}
}

func TestReleaseAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	running, queued := h.upload([]byte("a")), h.upload([]byte("b"))
	h.change(running.ID, func(j *sx.Job) error { return j.Claim("dead", time.Hour, h.now()) })
	if err := converter.ReleaseAll(t.Context(), h.updater); err != nil {
		t.Fatal(err)
	}
	for id, attempts := range map[string]int{running.ID: 1, queued.ID: 0} {
		if j := h.job(id); j.State != sx.StateQueued || j.Attempt != attempts || j.LeaseExpirations != 0 || j.Failures != 0 {
			t.Errorf("job %+v", j)
		}
	}
}

func TestLeftoversAreRemovedAtStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cfg := h.config(&echo{})
	left, foreign := filepath.Join(cfg.TempDir, sx.TrackID(sx.NewID(), 3)), filepath.Join(cfg.TempDir, "notes")
	for _, dir := range []string{left, foreign} {
		if err := os.MkdirAll(filepath.Join(dir, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.start(cfg)
	eventually(t, func() bool { _, err := os.Stat(left); return os.IsNotExist(err) }, func() any { return left })
	if err := os.RemoveAll(foreign); err != nil { // it was kept
		t.Error(err)
	}
}

func TestTempFolderThatCannotBe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cfg := h.config(&echo{})
	cfg.TempDir = filepath.Join(cfg.TempDir, "file")
	if err := os.WriteFile(cfg.TempDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := converter.New(cfg).Run(t.Context()); err == nil {
		t.Error("no error")
	}
}
