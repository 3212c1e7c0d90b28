package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestBacklogMetrics checks that the metrics have the unfinished jobs and the dead
// letters, and that ages grow without another reading.
func TestBacklogMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ctx, began := t.Context(), f.clock.Now()
	for id, state := range map[string]sx.State{"one": sx.StateQueued, "two": sx.StateQueued, "three": sx.StateDone} {
		j := sx.Job{ID: id, Owner: alice, State: state, Created: began, Updated: began, Queued: began.Add(-time.Minute)}
		if err := f.store.Jobs.Create(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.bus.Publish(ctx, bus.Convert, bus.Message{JobID: "one"}); err != nil {
		t.Fatal(err)
	}
	for range bus.MaxDeliveries {
		d, err := f.bus.Receive(ctx, bus.Convert)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Nack(ctx); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.Advance(time.Minute)
	f.run()
	const want = `
# HELP sx_dead_letters Wake-up messages that were delivered repeatedly without success.
# TYPE sx_dead_letters gauge
sx_dead_letters{queue="convert"} 1
sx_dead_letters{queue="notify"} 0
# HELP sx_jobs Unfinished jobs of all accounts by state, counted up to 100000.
# TYPE sx_jobs gauge
sx_jobs{state="queued"} 2
sx_jobs{state="running"} 0
sx_jobs{state="uploading"} 0
# HELP sx_jobs_oldest_seconds How long the oldest job in the state has been in it, in seconds; 0 if there is none.
# TYPE sx_jobs_oldest_seconds gauge
sx_jobs_oldest_seconds{state="queued"} AGE
sx_jobs_oldest_seconds{state="running"} 0
sx_jobs_oldest_seconds{state="uploading"} 0
`
	compare := func(age string) error {
		return testutil.GatherAndCompare(f.reg, strings.NewReader(strings.Replace(want, "AGE", age, 1)), "sx_dead_letters", "sx_jobs", "sx_jobs_oldest_seconds")
	}
	var err error
	testkit.Eventually(t, "the metrics", func() bool { err = compare("120"); return err == nil })
	f.clock.Advance(30 * time.Second)
	if err := compare("150"); err != nil {
		t.Error(err)
	}
}
