package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// TestDrain stops a server: what clients continue elsewhere ends, what they do not completes.
//
// It is not parallel, so that it only finds its own goroutines.
func TestDrain(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	f := newFixture(t, nil)
	stop, end := f.serve(time.Minute), f.run()
	data := video(50, 200_000)
	path := f.create(alice, "a.mp4", len(data))
	queued := f.upload(alice, "b.mp4", data)
	s := f.watch(alice, "", queued)
	s.wantJob(queued, sx.StateQueued)
	running := f.slowPatch(path, 0, data[:100_000])

	body, feed := io.Pipe()
	small := make(chan answer, 1)
	go func() {
		a, err := f.send(alice, http.MethodPost, api.PathUploads, body, "Expect", "100-continue", "Tus-Resumable", "1.0.0",
			"Content-Type", octets, "Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", meta("filename", "c.mp4"))
		if err != nil {
			t.Error(err)
		}
		small <- a
	}()
	if _, err := feed.Write(data[:100_000]); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan struct{})
	go func() { end(); stop(); close(stopped) }()
	(<-running).wantCode(t, sx.CodeUnavailable)
	var broken *client.Unreachable
	if err := <-s.done; !errors.As(err, &broken) {
		t.Errorf("the stream ended with %v", err)
	}
	// Nothing continues an upload that is sent with its creation.
	if _, err := feed.Write(data[100_000:]); err != nil {
		t.Fatal(err)
	}
	_ = feed.Close()
	(<-small).want(t, http.StatusCreated)
	<-stopped
	// The next gateway continues with the stored bytes.
	next := newFixtureLike(t, f)
	offset := next.offset(alice, path)
	next.patch(alice, path, offset, data[offset:]).want(t, http.StatusNoContent)
	if got := f.job(idOf(path)).Sent.SHA256; got != digest(data) {
		t.Errorf("digest %s, want %s", got, digest(data))
	}
}

func TestAuthIsProxied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do("", http.MethodGet, api.PathKeys, nil, "X-Forwarded-For", "203.0.113.7").want(t, http.StatusOK)
	if got := string(a.body); !strings.Contains(got, `"path":"/v1/auth/keys"`) || !strings.Contains(got, `"from":"127.0.0.1"`) {
		t.Errorf("auth saw %s", got)
	}
	if got := a.header.Values(api.HeaderRequestID); len(got) != 1 {
		t.Errorf("request ids %v", got)
	}
	f.auth.Close()
	f.do("", http.MethodGet, api.PathKeys, nil).wantCode(t, sx.CodeUnavailable)
	f.do("", http.MethodGet, "/v1/auth/metrics", nil).wantCode(t, sx.CodeNotFound)
}

func TestNotifierIsProxied(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[http.Request]
	notifier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(notifier.Close)
	to, err := url.Parse(notifier.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *gateway.Config) { c.NotifierURL = to })
	f.do(alice, http.MethodDelete, api.PathNotify+"/webhooks/w1", nil).want(t, http.StatusNoContent)
	r := asked.Load()
	if r.URL.Path != "/v1/notify/webhooks/w1" || r.Method != http.MethodDelete || r.Header.Get("Authorization") != "Bearer "+alice {
		t.Errorf("the notifier saw %s %s with %v", r.Method, r.URL.Path, r.Header)
	}
	notifier.Close()
	f.do(alice, http.MethodGet, api.PathNotify, nil).wantCode(t, sx.CodeUnavailable)
	f.do(alice, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK) // no other route needs the notifier
}

// TestMalformedBodyIsForwarded sends bodies that end in something other than a chunk to a
// service that reads them.
func TestMalformedBodyIsForwarded(t *testing.T) {
	t.Parallel()
	notifier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(notifier.Close)
	to, err := url.Parse(notifier.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *gateway.Config) { c.NotifierURL = to })
	for _, body := range []string{"-1\r\n\r\n", "5\r\nhello\r\nx\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5\r\nhelloworld"} {
		conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: sx\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%s", api.PathWebhooks, alice, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got api.ErrorBody
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != http.StatusBadRequest || got.Error.Code != sx.CodeInvalid {
			t.Errorf("%q: %s %+v, %v", body, res.Status, got, err)
		}
		_, _ = res.Body.Close(), conn.Close()
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(51, 200_000)
	path := f.create(alice, "a.mp4", len(data))
	file := filepath.Join(f.dir, "videos", idOf(path)[:2], idOf(path))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", file); err != nil {
		t.Fatal(err)
	}
	f.patch(alice, path, 0, data).wantCode(t, sx.CodeStorageFull)
	// Once there is space, the same upload continues.
	if err := errors.Join(os.Remove(file), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	offset := f.offset(alice, path)
	f.patch(alice, path, offset, data[offset:]).want(t, http.StatusNoContent)
	if got := f.job(idOf(path)).Sent.SHA256; got != digest(data) {
		t.Errorf("digest %s, want %s", got, digest(data))
	}
}

func TestNoSpaceForAnUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Length", "4611686018427387904",
		"Upload-Metadata", meta("filename", "a.mp4")).wantCode(t, sx.CodeStorageFull)
	if got := f.videos(); len(got) != 0 {
		t.Errorf("videos %v", got)
	}
}

func TestInternalErrorsAreNotExposed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) {
		c.Verify = func(context.Context, string) (token.Claims, error) {
			return token.Claims{}, errors.New("secret cause")
		}
	})
	a := f.do(alice, http.MethodGet, api.PathJobs, nil)
	if a.wantCode(t, sx.CodeInternal); bytes.Contains(a.body, []byte("secret")) {
		t.Errorf("the response contains %s", a.body)
	}
	if !strings.Contains(f.logs.String(), "secret cause") {
		t.Error("the cause is not in the log")
	}
}
