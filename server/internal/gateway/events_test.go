package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// signed sends requests as the user.
type signed struct {
	user string
	next http.RoundTripper
}

func (s signed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+s.user)
	return s.next.RoundTrip(req)
}

// watcher is an open event stream.
type watcher struct {
	f      *fixture
	events chan client.Event
	done   chan error
	stop   context.CancelFunc
}

func (f *fixture) watch(user, lastID string, ids ...string) *watcher {
	f.t.Helper()
	c, err := client.New(f.server.URL, &http.Client{Transport: signed{user, f.client.Transport}})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	f.t.Cleanup(cancel)
	out := &watcher{f, make(chan client.Event, 100), make(chan error, 1), cancel}
	go func() {
		out.done <- c.Events(ctx, ids, lastID, func(e client.Event) { out.events <- e })
		close(out.events)
	}()
	return out
}

// next returns the next event, ignoring keep-alives.
func (s *watcher) next() client.Event {
	s.f.t.Helper()
	for e := range s.events {
		if e.Type != "" {
			return e
		}
	}
	s.f.t.Fatalf("the stream ended: %v", <-s.done)
	return client.Event{}
}

// wantJob checks that the next event shows the job in the state.
func (s *watcher) wantJob(id string, state sx.State) client.Event {
	s.f.t.Helper()
	e := s.next()
	if e.Type != api.EventJob || e.Job.ID != id || e.Job.State != state {
		s.f.t.Fatalf("got %+v, want job %s %s", e, id, state)
	}
	return e
}

func (s *watcher) wantGone(id string) client.Event {
	s.f.t.Helper()
	e := s.next()
	if e.Type != api.EventGone || e.Gone != id {
		s.f.t.Fatalf("got %+v, want %s gone", e, id)
	}
	return e
}

// wantEnd checks that the stream ends, and returns the id to continue from.
func (s *watcher) wantEnd() string {
	s.f.t.Helper()
	e := s.next()
	if e.Type != api.EventEnd {
		s.f.t.Fatalf("got %+v, want the end", e)
	}
	if err := <-s.done; err != nil {
		s.f.t.Fatal(err)
	}
	return e.ID
}

func TestEventsFollowAJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.run()
	id := f.upload(alice, "a.mp4", video(40, 5000))
	s := f.watch(alice, "", id)
	s.wantJob(id, sx.StateQueued)
	f.change(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	s.wantJob(id, sx.StateRunning)
	f.change(id, func(j *sx.Job) error { return j.RenewLease(1, time.Minute, 40, 3*time.Second, f.clock.Now()) })
	if e := s.wantJob(id, sx.StateRunning); e.Job.Progress != 40 || e.Job.Remaining != 3 {
		t.Errorf("progress %+v", e.Job)
	}
	f.change(id, func(j *sx.Job) error {
		return j.Finish(1, []sx.Track{{ID: "t", Size: 3, SHA256: digest(nil), Duration: time.Second}}, nil, f.clock.Now())
	})
	s.wantJob(id, sx.StateDone)
	s.wantEnd()
	testkit.Eventually(f.t, "the stream to be closed", func() bool { return f.metric("sx_event_streams", "") == 0 })
}

func TestEventsContinueAfterLastEventID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.run()
	data := video(41, 5000)
	a, b := f.upload(alice, "a.mp4", data), f.upload(alice, "b.mp4", data)
	s := f.watch(alice, "", a, b)
	s.wantJob(a, sx.StateQueued)
	last := s.wantJob(b, sx.StateQueued).ID
	s.stop()
	if err := <-s.done; !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ended with %v", err)
	}
	f.change(b, func(j *sx.Job) error { return j.Cancel(f.clock.Now()) })

	s = f.watch(alice, last, a, b)
	s.wantJob(b, sx.StateCancelled) // and not a, which did not change
	f.change(a, func(j *sx.Job) error { return j.Cancel(f.clock.Now()) })
	s.wantJob(a, sx.StateCancelled)
	last = s.wantEnd()

	f.watch(alice, last, a, b).wantEnd() // nothing is new
	for _, other := range []string{"1", "x,y", "1,2,3"} {
		s = f.watch(alice, other, a, b)
		s.wantJob(a, sx.StateCancelled)
		s.wantJob(b, sx.StateCancelled)
		s.wantEnd()
	}
}

func TestEventsOfMissingJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.run()
	mine, foreign := f.upload(alice, "a.mp4", video(42, 5000)), f.upload(bob, "b.mp4", video(43, 5000))
	s := f.watch(alice, "", foreign, mine, "unknown")
	s.wantGone(foreign)
	s.wantJob(mine, sx.StateQueued)
	s.wantGone("unknown")
	if err := f.store.Jobs.Delete(context.Background(), f.job(mine)); err != nil {
		t.Fatal(err)
	}
	if err := f.bus.Announce(context.Background(), mine); err != nil {
		t.Fatal(err)
	}
	s.wantGone(mine)
	f.watch(alice, s.wantEnd(), foreign, mine, "unknown").wantEnd()
}

// TestEventsOfManyJobs watches more jobs than are read at a time.
func TestEventsOfManyJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	first, last := f.upload(alice, "a.mp4", video(45, 5000)), f.upload(alice, "b.mp4", video(46, 5000))
	ids := []string{first}
	for i := range api.MaxIDs - 2 {
		ids = append(ids, "unknown"+strconv.Itoa(i))
	}
	ids = append(ids, last)
	s := f.watch(alice, "", ids...)
	s.wantJob(first, sx.StateQueued)
	for _, id := range ids[1 : len(ids)-1] {
		s.wantGone(id)
	}
	lastID := s.wantJob(last, sx.StateQueued).ID
	for _, id := range []string{first, last} {
		f.change(id, func(j *sx.Job) error { return j.Cancel(f.clock.Now()) })
		s.wantJob(id, sx.StateCancelled)
	}
	s.wantEnd()
	s = f.watch(alice, lastID, ids...)
	s.wantJob(first, sx.StateCancelled)
	s.wantJob(last, sx.StateCancelled)
	s.wantEnd()
}

func TestEventsWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil) // Run is not started, so nothing listens
	ctx := context.Background()
	data := video(44, 10_000)
	uploading, queued := idOf(f.create(alice, "a.mp4", len(data))), f.upload(alice, "b.mp4", data)
	s := f.watch(alice, "", uploading, queued)
	if e := s.wantJob(uploading, sx.StateUploading); e.Job.Progress != 0 {
		t.Errorf("progress %v at the start", e.Job.Progress)
	}
	s.wantJob(queued, sx.StateQueued)
	if _, err := f.store.Videos.Append(ctx, uploading, 0, bytes.NewReader(data[:5000])); err != nil {
		t.Fatal(err)
	}
	if e := s.wantJob(uploading, sx.StateUploading); e.Job.Progress != 50 {
		t.Errorf("progress %v at half of the bytes", e.Job.Progress)
	}
	for e := range s.events { // nothing changes, so there are only keep-alives
		if e.Type == "" {
			break
		}
		t.Errorf("got %+v although nothing has changed", e)
	}
	for _, id := range []string{uploading, queued} {
		f.change(id, func(j *sx.Job) error { return j.Cancel(f.clock.Now()) })
	}
	s.wantJob(uploading, sx.StateCancelled)
	s.wantJob(queued, sx.StateCancelled)
	s.wantEnd()
}

func TestEventsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.do(alice, http.MethodGet, api.PathEvents, nil).wantCode(t, sx.CodeInvalid)
	many := url.Values{}
	for i := range api.MaxIDs + 1 {
		many.Add(api.QueryID, strconv.Itoa(i))
	}
	f.do(alice, http.MethodGet, api.PathEvents+"?"+many.Encode(), nil).wantCode(t, sx.CodeInvalid)
	h := f.do(alice, http.MethodHead, api.PathEvents+"?id=x", nil).want(t, http.StatusOK).header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || h.Get("Cache-Control") != "private, no-store" {
		t.Errorf("got %v", h)
	}
}
