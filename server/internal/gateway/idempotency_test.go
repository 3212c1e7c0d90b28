package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// createWith sends the creation of an upload with an idempotency key.
func (f *fixture) createWith(user, key, name string, size int) answer {
	f.t.Helper()
	return f.do(user, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(size), "Upload-Metadata", meta("filename", name), api.HeaderIdempotencyKey, key)
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		data := video(1, 90_000)
		path := f.createWith(alice, `"a-key"`, "talk.mp4", len(data)).want(t, http.StatusCreated).header.Get("Location")
		again := f.createWith(alice, "a-key", "talk.mp4", len(data)).want(t, http.StatusCreated)
		if got := again.header.Get("Location"); got != path || again.header.Get("Upload-Offset") != "" {
			t.Errorf("the same request again created %s, want %s: %v", got, path, again.header)
		}
		f.patch(alice, path, 0, data[:70_000]).want(t, http.StatusNoContent)
		again = f.createWith(alice, "a-key", "talk.mp4", len(data)).want(t, http.StatusCreated)
		if again.header.Get("Location") != path || again.header.Get("Upload-Offset") != "70000" || again.header.Get("Upload-Expires") == "" {
			t.Errorf("during the upload: %v", again.header)
		}
		f.createWith(alice, "a-key", "other.mp4", len(data)).wantCode(t, sx.CodeKeyReused)
		f.createWith(alice, "a-key", "talk.mp4", len(data)+1).wantCode(t, sx.CodeKeyReused)
		for user, key := range map[string]string{alice: "another-key", bob: "a-key"} {
			if got := f.createWith(user, key, "talk.mp4", len(data)).want(t, http.StatusCreated).header.Get("Location"); got == path {
				t.Errorf("%s got the upload of the key with the key %s", user, key)
			}
		}
		f.patch(alice, path, 70_000, data[70_000:]).want(t, http.StatusNoContent)
		if got := f.createWith(alice, "a-key", "talk.mp4", len(data)).want(t, http.StatusCreated).header; got.Get("Upload-Offset") != "90000" {
			t.Errorf("after the upload: %v", got)
		}
		f.do(alice, http.MethodDelete, jobPath(api.PathJob, idOf(path)), nil).want(t, http.StatusNoContent)
		f.createWith(alice, "a-key", "talk.mp4", len(data)).wantCode(t, sx.CodeNotFound)

		f.clock.Advance(sx.KeyLifetime)
		if got := f.createWith(alice, "a-key", "other.mp4", 1000).want(t, http.StatusCreated).header.Get("Location"); got == path {
			t.Error("an expired key still has its job")
		}
	})
}

// TestIdempotencyKeyWithBytes repeats a creation that has the whole file in its body.
func TestIdempotencyKeyWithBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(2, 90_000)
	for range 2 {
		a := f.do(alice, http.MethodPost, api.PathUploads, bytes.NewReader(data), "Tus-Resumable", "1.0.0", "Content-Type", octets,
			"Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", meta("filename", "a.mp4"), api.HeaderIdempotencyKey, "k").want(t, http.StatusCreated)
		if a.header.Get("Upload-Offset") != "90000" {
			t.Errorf("got %v", a.header)
		}
	}
	if got := f.videos(); len(got) != 1 {
		t.Errorf("videos %v, want one", got)
	}
}

// TestConcurrentIdempotencyKey sends one request several times at once.
func TestConcurrentIdempotencyKey(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		var wg sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wg.Go(func() { answers[i] = f.createWith(alice, "k", "talk.mp4", 1000) })
		}
		wg.Wait()
		path := f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated).header.Get("Location")
		for _, a := range answers {
			if a.status == http.StatusCreated {
				if got := a.header.Get("Location"); got != path {
					t.Errorf("created %s, want only %s", got, path)
				}
				continue
			}
			a.wantCode(t, sx.CodeKeyInUse)
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if got := f.videos(); len(got) != 1 {
			t.Errorf("videos %v, want one", got)
		}
	})
}

// TestIdempotencyKeyIsReleased refuses a creation, whose key can then be used for another.
func TestIdempotencyKeyIsReleased(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.Quota.Bytes = 1500 })
	f.createWith(alice, "k", "large.mp4", 1501).wantCode(t, sx.CodeQuotaExceeded)
	f.createWith(alice, "k", "small.mp4", 1000).want(t, http.StatusCreated)
}

// TestIdempotencyKeyAfterACrash finds keys whose requests were never finished.
func TestIdempotencyKeyAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	path := f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated).header.Get("Location")
	ctx := context.Background()
	k, err := f.store.IdempotencyKeys.Get(ctx, alice, "k")
	if err != nil {
		t.Fatal(err)
	}
	k.Done = false // it ended after it had created the job
	if err := f.store.IdempotencyKeys.Replace(ctx, k); err != nil {
		t.Fatal(err)
	}
	f.createWith(alice, "k", "talk.mp4", 1000).wantCode(t, sx.CodeKeyInUse)
	f.clock.Advance(time.Minute)
	if got := f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated).header.Get("Location"); got != path {
		t.Errorf("created %s, want %s", got, path)
	}
	k.Rev++
	k.JobID = sx.NewID() // it ended before
	if err := f.store.IdempotencyKeys.Replace(ctx, k); err != nil {
		t.Fatal(err)
	}
	another := f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated).header.Get("Location")
	if got := f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated).header.Get("Location"); another == path || got != another {
		t.Errorf("created %s and %s", another, got)
	}

	if k, err = f.store.IdempotencyKeys.Get(ctx, alice, "k"); err != nil {
		t.Fatal(err)
	}
	k.JobID, k.Done, k.Expires = sx.NewID(), false, f.clock.Now().AddDate(1, 0, 0) // by a clock that was ahead
	if err := f.store.IdempotencyKeys.Replace(ctx, k); err != nil {
		t.Fatal(err)
	}
	f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated)
}

func TestInvalidIdempotencyKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, key := range []string{"", `""`, "two words", `"a`, `a\b`, "ä", strings.Repeat("k", 256)} {
		f.createWith(alice, key, "talk.mp4", 1000).wantCode(t, sx.CodeInvalid)
	}
	f.createWith(alice, strings.Repeat("k", 255), "talk.mp4", 1000).want(t, http.StatusCreated)
}

func TestExpiredIdempotencyKeysAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.createWith(alice, "k", "talk.mp4", 1000).want(t, http.StatusCreated)
	f.clock.Advance(sx.KeyLifetime / 2)
	f.createWith(bob, "k", "talk.mp4", 1000).want(t, http.StatusCreated)
	gone := func(user string) bool {
		_, err := f.store.IdempotencyKeys.Get(context.Background(), user, "k")
		return sx.CodeOf(err) == sx.CodeNotFound
	}
	f.clock.Advance(sx.KeyLifetime/2 + time.Second)
	f.run()
	testkit.Eventually(t, "the expired key is removed", func() bool { return gone(alice) })
	if gone(bob) {
		t.Error("a key that has not expired was removed")
	}
}
