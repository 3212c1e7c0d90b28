package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

type watchLog struct {
	lines  []string
	polls  atomic.Int32
	opened atomic.Int32
}

func (l *watchLog) events() transfer.WatchEvents {
	return transfer.WatchEvents{
		Job:  func(j api.Job) { l.lines = append(l.lines, fmt.Sprintf("%s %s %.0f", j.Name, j.State, j.Progress)) },
		Gone: func(string) { l.lines = append(l.lines, "gone") },
		Wait: func(string, time.Time) {},
	}
}

func (l *watchLog) check(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(l.lines, ", "); got != strings.Join(want, ", ") {
		t.Errorf("reported %s, want %s", got, strings.Join(want, ", "))
	}
}

// newWatcher returns a server that passes each request to before first, and its watcher.
func newWatcher(t *testing.T, l *watchLog, before func(w http.ResponseWriter, r *http.Request) bool) (*gateway.Server, transfer.Watcher) {
	t.Helper()
	server := gateway.New(t)
	server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case api.PathEvents:
			l.opened.Add(1)
		case api.PathJobs:
			l.polls.Add(1)
		}
		return before != nil && before(w, r)
	}
	return server, transfer.Watcher{
		API: server.Client(t), Policy: &transfer.Policy{Timeout: 20 * time.Second, FirstPause: time.Millisecond}, Silence: 10 * time.Second, PollInterval: 100 * time.Millisecond,
	}
}

// steps advances the job by one step each time it is reported.
func steps(server *gateway.Server, id string, e transfer.WatchEvents) transfer.WatchEvents {
	job := e.Job
	e.Job = func(j api.Job) {
		job(j)
		switch {
		case j.ID != id:
		case j.State == sx.StateQueued:
			server.Change(id, func(j *sx.Job) { j.State = sx.StateRunning })
		case j.State == sx.StateRunning && j.Progress == 0:
			server.Change(id, func(j *sx.Job) { j.Progress = 50 })
		case j.State == sx.StateRunning:
			server.Finish(id, []byte("mp3"))
		}
	}
	return e
}

var whole = []string{"talk.mp4 queued 0", "talk.mp4 running 0", "talk.mp4 running 50", "talk.mp4 done 100"}

func TestWatchStream(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, nil)
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	if err := w.Follow(t.Context(), []string{id}, steps(server, id, l.events())); err != nil {
		t.Fatal(err)
	}
	l.check(t, whole...)
	if l.polls.Load() != 0 || l.opened.Load() != 1 {
		t.Errorf("%d polls, %d streams", l.polls.Load(), l.opened.Load())
	}
}

func TestWatchResumesBrokenStream(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, nil)
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	var last atomic.Value
	last.Store("")
	inner := server.Before
	server.Before = func(rw http.ResponseWriter, r *http.Request) bool {
		inner(rw, r)
		if r.URL.Path == api.PathEvents && r.Header.Get("Last-Event-ID") == "" {
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(rw, "id: 0\nevent: job\ndata: {\"id\":%q,\"name\":\"talk.mp4\",\"state\":\"queued\"}\n\n", id)
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		}
		last.Store(r.Header.Get("Last-Event-ID"))
		return false
	}
	if err := w.Follow(t.Context(), []string{id}, steps(server, id, l.events())); err != nil {
		t.Fatal(err)
	}
	l.check(t, whole...)
	if last.Load() != "0" {
		t.Errorf("resumed from %q", last.Load())
	}
}

// TestWatchReconnects checks that a stream that ends when its token expires is continued
// without a pause, and that one that is refused because there are too many is replaced by
// polling. Users notice neither.
func TestWatchReconnects(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]struct {
		serve func(rw http.ResponseWriter, r *http.Request, id string)
		polls bool
	}{
		"the token has expired": {func(rw http.ResponseWriter, r *http.Request, id string) {
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(rw, "id: 1\nevent: job\ndata: {\"id\":%q,\"name\":\"talk.mp4\",\"state\":\"queued\"}\n\n", id)
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-time.After(1100 * time.Millisecond):
			case <-r.Context().Done():
			}
			_, _ = fmt.Fprint(rw, "id: 1\nevent: reconnect\ndata: {}\n\n")
		}, false},
		"too many streams": {func(rw http.ResponseWriter, _ *http.Request, _ string) {
			api.WriteError(rw, sx.NewError(sx.CodeTooManyRequests, "too many streams"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l watchLog
			var id string
			server, w := newWatcher(t, &l, func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != api.PathEvents || l.opened.Load() > 1 {
					return false
				}
				first.serve(rw, r, id)
				return true
			})
			id = server.Add("talk.mp4", sx.StateQueued, nil)
			e := l.events()
			e.Wait = func(reason string, _ time.Time) { t.Errorf("the user sees a pause: %s", reason) }
			if err := w.Follow(t.Context(), []string{id}, steps(server, id, e)); err != nil {
				t.Fatal(err)
			}
			l.check(t, whole...)
			if polls := l.polls.Load() > 0; polls != first.polls {
				t.Errorf("polls: %v", polls)
			}
		})
	}
}

// TestWatchSparesASlowServer checks that polls of a server that needs longer than the interval
// for a response are as far apart as that.
func TestWatchSparesASlowServer(t *testing.T) {
	t.Parallel()
	const slow = 400 * time.Millisecond
	var l watchLog
	var answered atomic.Int64
	var pauses []time.Duration
	server, w := newWatcher(t, &l, func(rw http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case api.PathEvents:
			api.WriteError(rw, sx.NewError(sx.CodeTooManyRequests, "too many streams"))
			return true
		case api.PathJobs:
			if last := answered.Load(); last > 0 {
				pauses = append(pauses, time.Since(time.Unix(0, last)))
			}
			<-time.After(slow)
			answered.Store(time.Now().UnixNano())
		}
		return false
	})
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	if err := w.Follow(t.Context(), []string{id}, steps(server, id, l.events())); err != nil {
		t.Fatal(err)
	}
	l.check(t, whole...)
	if len(pauses) == 0 || slices.Min(pauses) < slow {
		t.Errorf("the pauses before further polls were %v, want at least %v each", pauses, slow)
	}
}

func TestKeepAlivesHoldTheStreamOpen(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, nil)
	w.Silence = 5 * time.Second
	id := server.Add("talk.mp4", sx.StateDone, []byte("mp3"))
	inner := server.Before
	server.Before = func(rw http.ResponseWriter, r *http.Request) bool {
		inner(rw, r)
		if r.URL.Path != api.PathEvents {
			return false
		}
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for range 110 { // in total longer than the silence
			<-ticker.C
			_, _ = fmt.Fprint(rw, ": keep-alive\n\n")
			_ = http.NewResponseController(rw).Flush()
		}
		return false
	}
	if err := w.Follow(t.Context(), []string{id}, l.events()); err != nil {
		t.Fatal(err)
	}
	if l.polls.Load() != 0 || l.opened.Load() != 1 {
		t.Errorf("%d polls, %d streams", l.polls.Load(), l.opened.Load())
	}
}

func TestWatchBehindBufferingProxy(t *testing.T) {
	t.Parallel()
	var l watchLog
	released := make(chan struct{})
	server, w := newWatcher(t, &l, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			<-released // buffers the whole response, which never ends
			return true
		}
		return false
	})
	t.Cleanup(func() { close(released) })
	w.Silence = 200 * time.Millisecond
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	if err := w.Follow(t.Context(), []string{id}, steps(server, id, l.events())); err != nil {
		t.Fatal(err)
	}
	l.check(t, whole...)
	if l.polls.Load() < 3 {
		t.Errorf("only %d polls", l.polls.Load())
	}
}

func TestWatchBehindRefusingProxy(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			rw.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	})
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	if err := w.Follow(t.Context(), []string{id}, steps(server, id, l.events())); err != nil {
		t.Fatal(err)
	}
	l.check(t, whole...)
}

func TestWatchMoreJobsThanOneRequestTakes(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, nil)
	var ids []string
	for range 2*api.MaxIDs + 5 {
		ids = append(ids, server.Add("talk.mp4", sx.StateCancelled, nil))
	}
	ids = append(ids, sx.NewID())
	if err := w.Follow(t.Context(), ids, l.events()); err != nil {
		t.Fatal(err)
	}
	if len(l.lines) != len(ids) || strings.Count(strings.Join(l.lines, " "), "gone") != 1 {
		t.Errorf("reported %d times on %d jobs", len(l.lines), len(ids))
	}
}

// TestPollLargeJobs polls jobs of which a page has one: the others are not gone.
func TestPollLargeJobs(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			rw.WriteHeader(http.StatusBadGateway)
		}
		return r.URL.Path == api.PathEvents
	})
	var ids []string
	for range 3 {
		id := server.Add("talk.mp4", sx.StateDone, []byte("mp3"))
		server.Change(id, func(j *sx.Job) { j.Tracks[0].Title = strings.Repeat("a", 2<<20) })
		ids = append(ids, id)
	}
	if err := w.Follow(t.Context(), ids, l.events()); err != nil {
		t.Fatal(err)
	}
	l.check(t, "talk.mp4 done 100", "talk.mp4 done 100", "talk.mp4 done 100")
}

func TestJobGoneWhilePolling(t *testing.T) {
	t.Parallel()
	var l watchLog
	server, w := newWatcher(t, &l, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			rw.WriteHeader(http.StatusBadGateway)
		}
		return r.URL.Path == api.PathEvents
	})
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	e := l.events()
	job := e.Job
	e.Job = func(j api.Job) {
		job(j)
		server.Forget(id)
	}
	if err := w.Follow(t.Context(), []string{id}, e); err != nil {
		t.Fatal(err)
	}
	l.check(t, "talk.mp4 queued 0", "gone")
}

func TestWatchTimeoutAndCancellation(t *testing.T) {
	t.Parallel()
	var l watchLog
	down := false
	server, w := newWatcher(t, &l, func(http.ResponseWriter, *http.Request) bool {
		if down {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	ctx, cancel := context.WithCancel(t.Context())
	e := l.events()
	e.Job = func(api.Job) { cancel() }
	if err := w.Follow(ctx, []string{id}, e); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	down = true
	w.Policy.Timeout = 500 * time.Millisecond
	if err := w.Follow(t.Context(), []string{id}, e); sx.CodeOf(err) != sx.CodeTimedOut {
		t.Errorf("got %v", err)
	}
}

func TestWatchRefused(t *testing.T) {
	t.Parallel()
	var l watchLog
	_, w := newWatcher(t, &l, func(rw http.ResponseWriter, _ *http.Request) bool {
		api.WriteError(rw, sx.NewError(sx.CodeUnauthenticated, "who are you"))
		return true
	})
	if err := w.Follow(t.Context(), []string{"x"}, l.events()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestAllJobs(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	for i := range api.MaxLimit + 7 {
		server.Add(fmt.Sprint(i), sx.StateCancelled, nil)
	}
	running := server.Add("running", sx.StateRunning, nil)
	jobs, err := transfer.AllJobs(t.Context(), server.Client(t), sx.StateCancelled)
	if err != nil || len(jobs) != api.MaxLimit+7 || jobs[0].Name != "0" {
		t.Errorf("got %d jobs, %v", len(jobs), err)
	}
	ids, err := transfer.UnfinishedJobs(t.Context(), server.Client(t))
	if err != nil || len(ids) != 1 || ids[0] != running {
		t.Errorf("got %v, %v", ids, err)
	}
}
