package converter_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// scaleVariable holds the numbers of jobs of make bench-scale.
const scaleVariable = "SX_BENCH_SCALE"

// TestClipBehindBatch converts a clip of one account while another one has many files
// waiting, and compares the time with that on an idle system. make bench-scale runs it
// with 10,000 files of a minute and ffmpeg, and prints the times.
func TestClipBehindBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	files, content := 200, []byte("video")
	var transcoder converter.Transcoder = &fakeTranscoder{step: func(ctx context.Context, _ int, _ func(converter.Progress)) error {
		select {
		case <-time.After(100 * time.Millisecond): // a conversion takes time
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
	if os.Getenv(scaleVariable) != "" {
		testkit.Need(t, "ffmpeg")
		var err error
		if transcoder, err = ffmpeg.New(t.Context(), ffmpeg.Config{Encoders: 2, Log: f.updater.Log, Registerer: prometheus.NewRegistry()}); err != nil {
			t.Fatal(err)
		}
		if content, err = os.ReadFile(testkit.MakeVideos(t, 60)[0]); err != nil {
			t.Fatal(err)
		}
		files = 10_000
	}
	cfg := f.config(transcoder)
	cfg.Conversions, cfg.ReconcileInterval, cfg.PollInterval, cfg.ProgressInterval, cfg.SweepInterval = 4, 0, 0, 0, 0
	source := f.uploadFor("source", content)
	f.update(source.ID, func(j *sx.Job) error { return j.Cancel(f.now()) })
	cfg.Videos = sameVideo{f.store.Videos, source.ID}
	f.start(cfg)

	clip := func(owner string) time.Duration {
		start := time.Now()
		j := f.uploadFor(owner, content)
		f.updater.Publish(t.Context(), bus.Convert, j.ID)
		f.waitForState(j.ID, sx.StateDone)
		return time.Since(start)
	}
	alone := clip("alone")
	for i := range files {
		j := sx.NewJob("batch", sx.NewUpload{Source: sx.Source{Name: "talk " + strconv.Itoa(i) + ".mp4"}, Size: int64(len(content))}, f.now())
		if err := j.Queue(strings.Repeat("ab", 32), f.now()); err != nil {
			t.Fatal(err)
		}
		if err := f.store.Jobs.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		f.updater.Created(t.Context(), j)
	}
	testkit.Eventually(t, "conversions of the batch", func() bool {
		list, err := f.store.Jobs.Due(t.Context(), sx.ActionLease, f.now().Add(time.Hour), 10)
		return err == nil && len(list) >= 2
	})
	behind := clip("clip")
	line := fmt.Sprintf("a clip behind %d files of another account took %.1fs, alone %.1fs", files, behind.Seconds(), alone.Seconds())
	t.Log(line)
	if behind > 2*alone+5*time.Second {
		t.Error(line)
	}
	waiting, err := f.store.Jobs.Waiting(t.Context(), 1)
	if err != nil || len(waiting) == 0 {
		t.Errorf("nothing waited: %v", err)
	}
}

// sameVideo has the same video for all jobs.
type sameVideo struct {
	store.Videos
	id string
}

func (v sameVideo) Open(ctx context.Context, _ string) (store.Blob, error) {
	return v.Videos.Open(ctx, v.id)
}
