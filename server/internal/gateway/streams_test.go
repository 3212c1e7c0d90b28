package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// wantReconnect checks that the stream ends because its token is no longer valid.
func (s *watcher) wantReconnect() {
	s.f.t.Helper()
	if e := s.next(); e.Type != api.EventReconnect {
		s.f.t.Errorf("got %+v, want to reconnect", e)
	}
	if err := <-s.done; !errors.Is(err, client.ErrReconnect) {
		s.f.t.Errorf("the stream ended with %v", err)
	}
}

// wantOpen checks that the stream sends a keep-alive and nothing else.
func (s *watcher) wantOpen() {
	s.f.t.Helper()
	// Its interval is longer than that at which the token is checked.
	if e, ok := <-s.events; !ok || e.Type != "" {
		s.f.t.Fatalf("got %+v (open: %v), want a keep-alive", e, ok)
	}
}

func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	var expires time.Time
	f := newFixture(t, func(c *gateway.Config) {
		expires = c.Now().Add(token.Lifetime)
		c.Verify = func(_ context.Context, raw string) (token.Claims, error) {
			if !c.Now().Before(expires) {
				return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "the access token has expired")
			}
			return token.Claims{UserID: raw, Expires: expires}, nil
		}
	})
	id := idOf(f.create(alice, "a.mp4", 100))
	s := f.watch(alice, "", id)
	s.wantJob(id, sx.StateUploading)
	f.clock.Advance(token.Lifetime - time.Second)
	s.wantOpen()
	f.clock.Advance(time.Second)
	s.wantReconnect()
	testkit.Eventually(t, "the stream to be closed", func() bool { return f.metric("sx_event_streams", "") == 0 })
}

func TestStreamsEndWithTheirPersonalToken(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	e.answer.Store(accepts(alice))
	id := idOf(f.create(alice, "a.mp4", 100))
	revoked, lasting := f.watch(script, "", id), f.watch(otherScript, "", id)
	revoked.wantJob(id, sx.StateUploading)
	lasting.wantJob(id, sx.StateUploading)
	e.answer.Store(refuses(sx.CodeUnavailable))
	f.clock.Advance(time.Minute)
	revoked.wantOpen() // an outage of auth does not end streams
	e.answer.Store(accepts(alice))
	f.clock.Advance(time.Minute)
	lasting.wantOpen() // exchanged again
	e.answer.Store(refuses(sx.CodeUnauthenticated))
	f.clock.Advance(time.Minute)
	revoked.wantReconnect()
	lasting.wantReconnect()
}

func TestStreamLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) {
		c.TrustedHops = 1
		c.Verify = func(_ context.Context, raw string) (token.Claims, error) {
			return token.Claims{UserID: raw, Expires: c.Now().Add(time.Hour)}, nil
		}
	})
	id := idOf(f.create("user-0", "a.mp4", 100))
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	open := func(user, address string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+api.PathEvents+"?id="+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+user)
		req.Header.Set("X-Forwarded-For", address)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	want := func(user, address string, status int) *http.Response {
		t.Helper()
		res := open(user, address)
		if res.StatusCode != status {
			t.Fatalf("%s at %s: status %d, want %d", user, address, res.StatusCode, status)
		}
		return res
	}
	// Other users' jobs are gone, but an upload of their own keeps their streams open.
	ids := map[string]string{"user-0": id}
	streams := 0
	var first *http.Response
	for u := range 10 {
		user := fmt.Sprintf("user-%d", u)
		if ids[user] == "" {
			ids[user] = idOf(f.create(user, "a.mp4", 100))
		}
		id = ids[user]
		for range 10 {
			res := want(user, "192.0.2.1", http.StatusOK)
			if streams++; first == nil {
				first = res
			}
		}
	}
	id = ids["user-0"]
	f.do("user-0", http.MethodGet, api.PathEvents+"?id="+id, nil, "X-Forwarded-For", "192.0.2.2").wantCode(t, sx.CodeTooManyRequests)
	id = idOf(f.create("someone else", "a.mp4", 100))
	f.do("someone else", http.MethodGet, api.PathEvents+"?id="+id, nil, "X-Forwarded-For", "192.0.2.1").wantCode(t, sx.CodeTooManyRequests)
	want("someone else", "192.0.2.2", http.StatusOK)
	// A stream that ends makes room for another one, of its user and from its address.
	_ = first.Body.Close()
	id = ids["user-0"]
	testkit.Eventually(t, "a free place", func() bool { return open("user-0", "192.0.2.1").StatusCode == http.StatusOK })
}
