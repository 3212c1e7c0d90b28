package jobs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// TestMetrics checks that each end is counted once, and that the latency begins with the
// last byte or the retry, whatever attempts there were.
func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := prometheus.NewRegistry()
	f.Metrics = jobs.NewMetrics(registry)
	now := f.clock.Now
	claim := func(j *sx.Job) error { return j.Claim("worker", time.Minute, now()) }
	broken := sx.NewError(sx.CodeUnreadable, "broken")

	id := f.create(sx.StateUploading).ID
	f.clock.Advance(time.Hour)
	f.update(id, func(j *sx.Job) error { return j.Queue("digest", now()) })
	f.clock.Advance(10 * time.Second)
	f.update(id, claim)
	f.update(id, func(j *sx.Job) error { return j.Release(j.Attempt, now()) })
	f.clock.Advance(10 * time.Second)
	f.update(id, claim)
	f.update(id, func(j *sx.Job) error { return j.Fail(j.Attempt, broken, now()) })
	f.clock.Advance(time.Hour)
	f.update(id, func(j *sx.Job) error { return j.Retry(now()) })
	f.update(id, claim)
	f.clock.Advance(3 * time.Second)
	f.update(id, func(j *sx.Job) error { return j.Finish(j.Attempt, []sx.Track{{}}, nil, now()) })
	f.update(id, func(j *sx.Job) error { return j.MarkNotified(now()) })
	f.update(f.create(sx.StateUploading).ID, func(j *sx.Job) error { return j.Cancel(now()) })

	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sx_jobs_ended_total Jobs that ended, by final state and, for failed ones, error code.
# TYPE sx_jobs_ended_total counter
sx_jobs_ended_total{code="",state="cancelled"} 1
sx_jobs_ended_total{code="",state="done"} 1
sx_jobs_ended_total{code="unreadable",state="failed"} 1
`), "sx_jobs_ended_total")
	if err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "sx_job_latency_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != 1 || h.GetSampleSum() != 3 {
			t.Errorf("%d jobs took %v s together, want 1 of 3 s", h.GetSampleCount(), h.GetSampleSum())
		}
		return
	}
	t.Error("no latency was observed")
}
