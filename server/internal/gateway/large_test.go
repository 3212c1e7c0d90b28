package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// slowLists is a store whose lists of alice's jobs wait until they may go on.
type slowLists struct {
	store.Jobs
	waiting atomic.Int32
	goOn    chan struct{}
}

func (s *slowLists) List(ctx context.Context, f store.JobFilter) ([]sx.Job, *store.Cursor, error) {
	if f.Owner == alice {
		s.waiting.Add(1)
		<-s.goOn
	}
	return s.Jobs.List(ctx, f)
}

// TestLongListsOfAnAccount makes more requests for long lists than an account may have at a
// time. They wait, and those of others do not.
func TestLongListsOfAnAccount(t *testing.T) {
	t.Parallel()
	const requests, most = 40, 16
	lookup := `{"items":[{"identity":"file1:` + strings.Repeat("0", 64) + `","options":{}}]}`
	for name, get := range map[string]func(f *fixture, user string) answer{
		"jobs": func(f *fixture, user string) answer { return f.do(user, http.MethodGet, api.PathJobs, nil) },
		"lookup": func(f *fixture, user string) answer {
			return f.do(user, http.MethodPost, api.PathLookup, strings.NewReader(lookup), "Content-Type", "application/json")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := &slowLists{goOn: make(chan struct{})}
			var verified atomic.Int32
			f := newFixture(t, func(c *gateway.Config) {
				slow.Jobs = c.Jobs
				c.Jobs = slow
				verify := c.Verify
				c.Verify = func(ctx context.Context, raw string) (token.Claims, error) {
					verified.Add(1)
					return verify(ctx, raw)
				}
			})
			var wg sync.WaitGroup
			var failed atomic.Int32
			for range requests {
				wg.Go(func() {
					if get(f, alice).status >= http.StatusInternalServerError {
						failed.Add(1)
					}
				})
			}
			testkit.Eventually(t, "all requests", func() bool { return verified.Load() == requests && slow.waiting.Load() > 1 })
			if a := get(f, bob); a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests {
				t.Errorf("the request of another account got %d: %s", a.status, a.body)
			}
			if n := slow.waiting.Load(); n > most {
				t.Errorf("%d requests of an account are served at the same time, want at most %d", n, most)
			}
			close(slow.goOn)
			wg.Wait()
			if n := failed.Load(); n > 0 {
				t.Errorf("%d requests failed", n)
			}
		})
	}
}

// waitingTracks is a store whose MP3s cannot be read until they may be.
type waitingTracks struct {
	store.Tracks
	opened atomic.Int32
	goOn   chan struct{}
}

func (s *waitingTracks) Open(ctx context.Context, id string) (store.Blob, error) {
	s.opened.Add(1)
	<-s.goOn
	return s.Tracks.Open(ctx, id)
}

func TestArchivesOfAnAccount(t *testing.T) {
	t.Parallel()
	const most = 8
	slow := &waitingTracks{goOn: make(chan struct{})}
	f := newFixture(t, func(c *gateway.Config) {
		slow.Tracks = c.Tracks
		c.Tracks = slow
	})
	id := f.upload(alice, "talk.mp4", video(70, 5000))
	f.convert(id, []byte("MP3"))
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() { f.do(alice, http.MethodGet, archivePath(id), nil).want(t, http.StatusOK) })
	}
	testkit.Eventually(t, "all archives", func() bool { return slow.opened.Load() == most })
	refused := f.do(alice, http.MethodGet, archivePath(id), nil)
	refused.wantCode(t, sx.CodeTooManyRequests)
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(slow.goOn)
	wg.Wait()
	f.do(alice, http.MethodGet, archivePath(id), nil).want(t, http.StatusOK)
}
