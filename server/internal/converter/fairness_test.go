package converter_test

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// controlled is a Transcoder whose conversions end when the test says so. A video's
// content is its name.
type controlled struct {
	started chan string
	mu      sync.Mutex
	ends    map[string]chan struct{}
}

func newControlled() *controlled {
	return &controlled{started: make(chan string, 100), ends: map[string]chan struct{}{}}
}

func (c *controlled) end(name string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends[name] == nil {
		c.ends[name] = make(chan struct{})
	}
	return c.ends[name]
}

func (c *controlled) Transcode(ctx context.Context, in converter.Input, out converter.Output) (converter.Result, error) {
	content, err := io.ReadAll(in.Video)
	if err != nil {
		return converter.Result{}, err
	}
	c.started <- string(content)
	select {
	case <-c.end(string(content)):
		return converter.Result{Durations: []time.Duration{time.Second}}, out.Put(1, store.Head{}, strings.NewReader("mp3"))
	case <-ctx.Done():
		return converter.Result{}, context.Cause(ctx)
	}
}

// next returns which conversions start next, sorted.
func (c *controlled) next(t *testing.T, n int) (names []string) {
	t.Helper()
	for range n {
		select {
		case name := <-c.started:
			names = append(names, name)
		case <-time.After(testkit.Timeout):
			t.Fatalf("only %v started", names)
		}
	}
	slices.Sort(names)
	return names
}

// enqueue queues videos in this order. The owner of a video is the first letter of
// its name.
func (f *fixture) enqueue(names ...string) map[string]sx.Job {
	f.t.Helper()
	list := map[string]sx.Job{}
	for _, name := range names {
		f.ahead.Add(int64(10 * time.Millisecond)) // so that their ages differ
		list[name] = f.uploadFor(name[:1], []byte(name))
		f.updater.Publish(f.t.Context(), bus.Convert, list[name].ID)
	}
	return list
}

// byMessages is the configuration of a converter whose reconciler never runs a
// second time.
func (f *fixture) byMessages(tc converter.Transcoder, conversions int) converter.Config {
	cfg := f.config(tc)
	cfg.Conversions, cfg.ReconcileInterval = conversions, time.Hour
	return cfg
}

func want(t *testing.T, got []string, names ...string) {
	t.Helper()
	if !slices.Equal(got, names) {
		t.Errorf("started %v, want %v", got, names)
	}
}

// TestOneConversionForEachOwnerFirst checks that nobody gets a second conversion
// while another owner waits for the first one, although the messages are in another
// order; and that each message starts a conversion.
func TestOneConversionForEachOwnerFirst(t *testing.T) {
	t.Parallel()
	f, tc := newFixture(t), newControlled()
	list := f.enqueue("a1", "a2", "a3", "b1", "c1", "b2")
	f.start(f.byMessages(tc, 6))                   // of which two are reserved
	want(t, tc.next(t, 4), "a1", "a2", "b1", "c1") // one each, and then the oldest that is left
	close(tc.end("a1"))
	want(t, tc.next(t, 1), "b2") // a and b have one each, and a was served last
	close(tc.end("c1"))
	want(t, tc.next(t, 1), "a3")
	for _, name := range []string{"a2", "a3", "b1", "b2"} {
		close(tc.end(name))
	}
	for name, j := range list {
		if j = f.waitForState(j.ID, sx.StateDone); j.Attempt != 1 {
			t.Errorf("%s: attempt %d", name, j.Attempt)
		}
	}
}

// TestShortVideoOfAnotherOwner checks that a video does not wait for those of an owner
// who uses all other slots, even if its message is lost.
func TestShortVideoOfAnotherOwner(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		f, tc := newFixture(t), newControlled()
		long := f.enqueue("a1", "a2", "a3", "a4", "a5")
		f.start(f.byMessages(tc, 4))
		tc.next(t, 2)
		short := f.uploadFor("b", []byte("b1"))
		if !lost {
			f.updater.Publish(t.Context(), bus.Convert, short.ID)
		}
		want(t, tc.next(t, 1), "b1")
		close(tc.end("b1"))
		f.waitForState(short.ID, sx.StateDone)
		running := 0
		for _, j := range long {
			if f.job(j.ID).State == sx.StateRunning {
				running++
			}
		}
		if running != 2 {
			t.Errorf("%d conversions of the first owner are open, want 2", running)
		}
	}
}

// TestMessagesRemainForOthers checks that a converter without a free slot for a job
// leaves its message to another converter.
func TestMessagesRemainForOthers(t *testing.T) {
	t.Parallel()
	f, first, second := newFixture(t), newControlled(), newControlled()
	f.enqueue("a1", "a2", "a3")
	f.start(f.byMessages(first, 2))
	want(t, first.next(t, 1), "a1")
	f.start(f.byMessages(second, 3))
	want(t, second.next(t, 1), "a2")
	depth, err := f.bus.Depth(t.Context(), bus.Convert)
	if err != nil || depth.Ready != 1 {
		t.Errorf("depth %+v, %v, want one message", depth, err)
	}
	close(first.end("a1"))
	want(t, first.next(t, 1), "a3")
}

// TestNoJobIsForgotten has several converters share the jobs of several owners,
// with messages that are lost, repeated and in any order.
func TestNoJobIsForgotten(t *testing.T) {
	t.Parallel()
	const owners, each = 5, 12
	f := newFixture(t)
	random := rand.New(rand.NewPCG(1, 2))
	var list []sx.Job
	for i := range owners * each {
		list = append(list, f.uploadFor(string(rune('a'+i%owners)), []byte("video")))
	}
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	f.ahead.Add(int64(time.Minute)) // longer than the reconciler waits for a message
	for range 3 {
		f.start(f.config(&fakeTranscoder{}))
	}
	for _, j := range list {
		for range random.IntN(3) {
			f.updater.Publish(t.Context(), bus.Convert, j.ID)
		}
	}
	for _, j := range list {
		if j = f.waitForState(j.ID, sx.StateDone); j.Attempt != 1 {
			t.Errorf("attempt %d", j.Attempt)
		}
	}
	testkit.Eventually(t, "an empty queue", func() bool {
		depth, err := f.bus.Depth(t.Context(), bus.Convert)
		return err == nil && depth == bus.Depth{}
	})
}
