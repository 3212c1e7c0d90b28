package converter_test

import (
	"context"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
)

// TestLowPriorityInShortLives restarts the converter again and again after its first claims,
// as an autoscaler may, while jobs of normal priority are always waiting. The one of low
// priority must be begun too.
func TestLowPriorityInShortLives(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	low := f.upload([]byte("low"))
	f.update(low.ID, func(j *sx.Job) error { j.Priority = sx.PriorityLow; return nil })
	for _, content := range []string{"a", "b", "c", "d"} {
		f.upload([]byte(content))
	}
	const most = 200 // lives; the probability that none begins it is 10^-12
	for life := range most {
		started := make(chan struct{}, 10)
		cfg := f.config(&fakeTranscoder{step: func(ctx context.Context, _ int, _ func(converter.Progress)) error {
			started <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}})
		cfg.Conversions, cfg.Drain = 1, time.Millisecond
		stop := f.start(cfg)
		f.updater.Publish(t.Context(), bus.Convert, low.ID)
		<-started
		begun := f.job(low.ID).State == sx.StateRunning
		stop()
		if begun {
			t.Logf("begun in life %d", life+1)
			return
		}
	}
	t.Errorf("not begun in %d lives", most)
}
