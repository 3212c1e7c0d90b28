package periodic_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/testkit"
)

// fixture has a store of tasks, and records the cursors of all rounds.
type fixture struct {
	t     *testing.T
	tasks store.Tasks
	clock *testkit.Clock

	mu      sync.Mutex
	cursors []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &fixture{t: t, tasks: s.Tasks, clock: testkit.NewClock()}
}

// run runs a process with the task until stop is called.
func (f *fixture) run(round func(ctx context.Context, cursor string) (string, error)) (stop func()) {
	task := periodic.Task{
		Name: "test", Store: f.tasks, Log: slog.New(slog.DiscardHandler), Now: f.now,
		Pace: time.Millisecond, Pass: time.Hour,
		Round: func(ctx context.Context, cursor string) (string, error) {
			f.mu.Lock()
			f.cursors = append(f.cursors, cursor)
			f.mu.Unlock()
			return round(ctx, cursor)
		},
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	var group sync.WaitGroup
	group.Go(func() { task.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	f.t.Cleanup(stop)
	return stop
}

// rounds waits for the rounds with these cursors, and checks that there were no others.
func (f *fixture) rounds(want ...string) {
	f.t.Helper()
	seen := func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.Clone(f.cursors)
	}
	testkit.Eventually(f.t, "the rounds", func() bool { return len(seen()) >= len(want) }, func() any { return seen() })
	if got := seen(); !slices.Equal(got, want) {
		f.t.Errorf("rounds at %q, want %q", got, want)
	}
}

// pass waits until the pass is over and stored.
func (f *fixture) pass() {
	f.t.Helper()
	testkit.Eventually(f.t, "the end of the pass", func() bool {
		state, err := f.tasks.Get(f.t.Context(), "test")
		return err == nil && state.Cursor == "" && state.Holder == "" && state.Next.Sub(f.clock.Now()) > time.Minute
	})
}

// now is later with each call, so that the pauses between rounds end.
func (f *fixture) now() time.Time {
	f.clock.Advance(time.Millisecond)
	return f.clock.Now()
}

// pages has three pages.
func pages(_ context.Context, cursor string) (string, error) {
	return map[string]string{"": "b", "b": "c", "c": ""}[cursor], nil
}

func TestPasses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.run(pages)
	f.run(pages) // another process shares the work
	f.rounds("", "b", "c")
	f.pass()
	f.clock.Advance(2 * time.Hour)
	f.rounds("", "b", "c", "", "b", "c")
}

// TestContinues checks that a pass continues in another process, at the page that
// failed.
func TestContinues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	failed := make(chan struct{})
	stop := f.run(func(ctx context.Context, cursor string) (string, error) {
		if cursor == "b" {
			close(failed)
			<-ctx.Done()
			return "", errors.New("interrupted")
		}
		return pages(ctx, cursor)
	})
	<-failed
	f.run(pages) // does nothing while the first one runs
	f.rounds("", "b")
	stop()
	f.rounds("", "b", "b", "c")
}

// TestTakesOver checks that another process takes over from one that has died.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dead := store.Task{Name: "test", Holder: "dead", Until: f.clock.Now().Add(time.Minute), Cursor: "b"}
	if err := f.tasks.Replace(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	f.run(pages)
	f.clock.Advance(time.Minute)
	f.rounds("b", "c")
}

// TestClockAhead checks what a process with a clock that was ahead leaves: others do not
// wait for it. A clock that is a few minutes ahead is not wrong.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ahead := f.clock.Now().AddDate(1, 0, 0)
	set := func(change func(state *store.Task)) {
		t.Helper()
		state, err := f.tasks.Get(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		state.Name = "test"
		change(&state)
		if err := f.tasks.Replace(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	set(func(state *store.Task) { state.Cursor, state.Next = "b", ahead })
	stop := f.run(pages)
	f.rounds("b", "c")
	f.pass()
	stop()
	set(func(state *store.Task) {
		state.Cursor, state.Holder, state.Until, state.Next = "c", "dead", ahead, time.Time{}
	})
	stop = f.run(pages)
	f.rounds("b", "c", "c")
	f.pass()
	stop()

	soon := f.clock.Now().Add(time.Hour + 3*time.Minute) // a pass after the time of another process
	set(func(state *store.Task) { state.Cursor, state.Next = "b", soon })
	f.run(pages)
	f.clock.Advance(time.Hour)
	f.rounds("b", "c", "c")
	f.clock.Advance(3 * time.Minute)
	f.rounds("b", "c", "c", "b", "c")
}
