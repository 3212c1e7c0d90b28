package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// cutPatch sends a PATCH whose connection ends after n bytes of the body, by a
// graceful close or a reset.
func (f *fixture) cutPatch(path string, offset int, data []byte, n int, reset bool) error {
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		return err
	}
	head := fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: sx\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\n"+
		"Content-Type: %s\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n", path, alice, octets, offset, len(data)-offset)
	if _, err := conn.Write(append([]byte(head), data[offset:offset+n]...)); err != nil {
		return err
	}
	if reset {
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
	}
	return conn.Close()
}

// TestCutUploads interrupts uploads at random offsets, 200 times in all, and
// continues each time at the server's offset.
func TestCutUploads(t *testing.T) {
	t.Parallel()
	const uploads, cuts = 20, 10
	f := newFixture(t, nil)
	f.run()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var group sync.WaitGroup
	limit := make(chan struct{}, 4)
	for i := range uploads {
		group.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if err := f.cutUpload(seed, uint64(i), cuts); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	group.Wait()
}

func (f *fixture) cutUpload(seed, i uint64, cuts int) error {
	rnd := rand.New(rand.NewPCG(seed, i))
	data := video(i, 200_000+rnd.IntN(800_000))
	a, err := f.send(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", meta("filename", "a.mp4"))
	if err != nil || a.status != http.StatusCreated {
		return fmt.Errorf("create: %d, %w", a.status, err)
	}
	path, offset, sent := a.header.Get("Location"), 0, 0
	ask := func() error {
		a, err := f.send(alice, http.MethodHead, path, nil, "Tus-Resumable", "1.0.0")
		if err != nil || a.status != http.StatusOK {
			return fmt.Errorf("get the offset: %d, %w", a.status, err)
		}
		before := offset
		if offset, err = strconv.Atoi(a.header.Get("Upload-Offset")); err != nil || offset < before || offset > sent {
			return fmt.Errorf("offset %d after %d with %d bytes sent, %w", offset, before, sent, err)
		}
		return nil
	}
	for cut := range cuts {
		// Some cuts come within the first bytes, some just before the end.
		n := rnd.IntN(len(data) - offset)
		switch rnd.IntN(4) {
		case 0:
			n = min(n, rnd.IntN(100))
		case 1:
			n /= cuts
		}
		sent = max(sent, offset+n)
		if err := f.cutPatch(path, offset, data, n, rnd.IntN(2) == 0); err != nil {
			return fmt.Errorf("cut %d: %w", cut, err)
		}
		if err := ask(); err != nil {
			return fmt.Errorf("cut %d: %w", cut, err)
		}
	}
	// The server may process a cut request after the request for the offset;
	// then the last request is at the wrong offset.
	for a.status = http.StatusConflict; a.status == http.StatusConflict; {
		if err := ask(); err != nil {
			return fmt.Errorf("last request: %w", err)
		}
		sent = len(data) // a late cut request may end this request after a part of it is stored
		a, err = f.send(alice, http.MethodPatch, path, bytes.NewReader(data[offset:]),
			"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", strconv.Itoa(offset))
		if err != nil {
			return fmt.Errorf("last request: %w", err)
		}
	}
	if a.status != http.StatusNoContent {
		return fmt.Errorf("last request: %d %s", a.status, a.body)
	}
	j, err := f.store.Jobs.Get(context.Background(), idOf(path))
	if err != nil || j.State != sx.StateQueued || j.Sent.SHA256 != digest(data) {
		return fmt.Errorf("job is %s with digest %s, want queued with %s, %w", j.State, j.Sent.SHA256, digest(data), err)
	}
	return nil
}

func TestInterruptedPatchKeepsItsBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		sent int
		want int64
	}{
		{"too few bytes to detect the format", 1000, 0}, // may be incomplete first bytes of a file
		{"enough bytes to detect the format", 4096, 4096},
		{"more", 100_001, 100_001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			data := video(10, 200_000)
			path := f.create(alice, "a.mp4", len(data))
			if err := f.cutPatch(path, 0, data, tt.sent, false); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(f.t, "the cut request to end", func() bool {
				return strings.Contains(f.logs.String(), "method=PATCH path="+path+" route=/v1/uploads/{id} status=409")
			})
			up, err := f.store.Videos.Stat(context.Background(), idOf(path))
			if err != nil || up.Offset != tt.want {
				t.Errorf("offset %d, %v; want %d", up.Offset, err, tt.want)
			}
			f.patch(alice, path, int(up.Offset), data[up.Offset:]).want(t, http.StatusNoContent)
			if got := f.job(idOf(path)).Sent.SHA256; got != digest(data) {
				t.Errorf("digest %s, want %s", got, digest(data))
			}
		})
	}
}

// slowPatch starts a PATCH that sends data and then stalls; the channel
// delivers its response. When it returns, the server is reading.
func (f *fixture) slowPatch(path string, offset int, data []byte) <-chan answer {
	f.t.Helper()
	body, feed := io.Pipe()
	f.t.Cleanup(func() { _ = feed.Close() })
	done := make(chan answer, 1)
	go func() {
		a, err := f.send(alice, http.MethodPatch, path, body, "Expect", "100-continue",
			"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", strconv.Itoa(offset))
		if err != nil {
			f.t.Errorf("slow PATCH: %v", err)
		}
		done <- a
	}()
	if _, err := feed.Write(data); err != nil {
		f.t.Fatal(err)
	}
	return done
}

func TestNewerRequestContinuesTheUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(7, 200_000)
	path := f.create(alice, "a.mp4", len(data))
	older := f.slowPatch(path, 0, data[:100_000])
	offset := f.offset(alice, path)
	if offset > 100_000 {
		t.Errorf("offset %d while the older request hangs", offset)
	}
	(<-older).wantCode(t, sx.CodeOffsetConflict)

	older = f.slowPatch(path, offset, data[offset:offset+10])
	// The newer request waits until the older one has stored its bytes, so by
	// then its offset is usually outdated.
	status := f.patch(alice, path, offset, data[offset:]).status
	(<-older).wantCode(t, sx.CodeOffsetConflict)
	for status == http.StatusConflict {
		offset = f.offset(alice, path)
		status = f.patch(alice, path, offset, data[offset:]).status
	}
	if j := f.job(idOf(path)); status != http.StatusNoContent || j.Sent.SHA256 != digest(data) {
		t.Errorf("status %d, digest %s, want %s", status, j.Sent.SHA256, digest(data))
	}
}

func TestNewerRequestAtAnotherGateway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	other := newFixtureLike(t, f)
	f.run()
	data := video(8, 200_000)
	path := f.create(alice, "a.mp4", len(data))
	older := f.slowPatch(path, 0, data[:100_000])
	// This does not stop the older request, but its later bytes are refused.
	for status := 0; status != http.StatusNoContent; {
		offset := other.offset(alice, path)
		status = other.patch(alice, path, offset, data[offset:]).status
	}
	// The older request is stopped by the announcement that the upload is over,
	// unless the store has refused its bytes before, because a newer Append wins.
	if end := <-older; end.status != sx.CodeOffsetConflict.Status() {
		end.wantCode(t, sx.CodeUploadExpired)
	} else {
		end.wantCode(t, sx.CodeOffsetConflict)
	}
	if got := f.job(idOf(path)).Sent.SHA256; got != digest(data) {
		t.Errorf("digest %s, want %s", got, digest(data))
	}
}

func TestEndingAnUploadStopsItsRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(f *fixture, id string)
		want sx.Code
	}{
		{"cancelled here", func(f *fixture, id string) {
			f.do(alice, http.MethodPost, jobPath(api.PathCancel, id), nil).want(f.t, http.StatusOK)
		}, sx.CodeOffsetConflict},
		{"removed here", func(f *fixture, id string) {
			f.do(alice, http.MethodDelete, jobPath(api.PathJob, id), nil).want(f.t, http.StatusNoContent)
		}, sx.CodeOffsetConflict},
		{"terminated here", func(f *fixture, id string) {
			f.do(alice, http.MethodDelete, api.PathUploads+id, nil, "Tus-Resumable", "1.0.0").want(f.t, http.StatusNoContent)
		}, sx.CodeOffsetConflict},
		{"cancelled at another gateway", func(f *fixture, id string) {
			newFixtureLike(f.t, f).do(alice, http.MethodPost, jobPath(api.PathCancel, id), nil).want(f.t, http.StatusOK)
		}, sx.CodeUploadExpired},
		{"removed at another gateway", func(f *fixture, id string) {
			newFixtureLike(f.t, f).do(alice, http.MethodDelete, jobPath(api.PathJob, id), nil).want(f.t, http.StatusNoContent)
		}, sx.CodeUploadExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.run()
			data := video(9, 200_000)
			path := f.create(alice, "a.mp4", len(data))
			running := f.slowPatch(path, 0, data[:100_000])
			tt.end(f, idOf(path))
			(<-running).wantCode(t, tt.want)
			if got := f.videos(); len(got) != 0 {
				t.Errorf("videos %v are left", got)
			}
		})
	}
}
