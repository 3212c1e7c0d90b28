package transfer_test

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestRequestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	u := newUploadOf(t, gateway.Media(66<<20))
	var sizes []int64
	u.server.Cut = func(_, n int64) int64 {
		sizes = append(sizes, n)
		return -1
	}
	u.succeeds(t)
	if len(sizes) != 3 || sizes[0] > 1<<20 || sizes[1] > 64<<20 {
		t.Errorf("the requests carried %v bytes, want a small one and then at most 64 MiB each", sizes)
	}
	if u.progress.now != 66<<20 {
		t.Errorf("the progress ended at %d bytes", u.progress.now)
	}
}

func TestConnectionCutAtRandomOffsets(t *testing.T) {
	t.Parallel()
	u := newUploadOf(t, gateway.Media(16<<20))
	want := int32(200)
	if testing.Short() {
		want = 40 // the server syncs to disk after each
	}
	var cuts atomic.Int32
	u.server.Cut = func(_, n int64) int64 {
		if cuts.Add(1) > want {
			return -1
		}
		return rand.Int64N(min(n, 90_000))
	}
	u.succeeds(t)
	if cuts.Load() < want {
		t.Errorf("only %d cuts were made", cuts.Load())
	}
}

func TestTemporaryRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
	}{
		{"locked by a request that is ending", func(w http.ResponseWriter) { http.Error(w, "ERR_UPLOAD_LOCKED", http.StatusLocked) }},
		{"wrong offset", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeOffsetConflict, "no")) }},
		{"conflict without a body", func(w http.ResponseWriter) { w.WriteHeader(http.StatusConflict) }},
		{"server starting", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeUnavailable, "no")) }},
		{"proxy without a server", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }},
		{"server broken", func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }},
		{"token expired", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "no")) }},
		{"too many requests", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			api.WriteError(w, sx.NewError(sx.CodeTooManyAttempts, "no"))
		}},
		{"too many uploads", func(w http.ResponseWriter) {
			api.WriteError(w, sx.NewError(sx.CodeTooManyRequests, "no").WithRetryAfter(time.Second))
		}},
		{"sign-in page of a hotel", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>room number?") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			var left atomic.Int32
			left.Store(3)
			u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch || left.Add(-1) < 0 {
					return false
				}
				tt.answer(w)
				return true
			}
			u.succeeds(t)
			if len(u.progress.waits) == 0 {
				t.Error("the pauses were not reported")
			}
		})
	}
}

func TestPermanentRefusals(t *testing.T) {
	t.Parallel()
	for _, code := range []sx.Code{
		sx.CodeNotMedia, sx.CodePlaylist, sx.CodeStorageFull, sx.CodeQuotaExceeded,
		sx.CodeUploadExpired, sx.CodeNotFound, sx.CodeTooLarge, sx.CodeUnauthenticated, sx.CodeConflict,
	} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					api.WriteError(w, sx.NewError(code, "no"))
				}
				return r.Method == http.MethodPatch
			}
			if _, err := u.upload(t.Context(), t); sx.CodeOf(err) != code {
				t.Errorf("got %v, want the server's error", err)
			}
		})
	}
}

func TestProxyThatTakesSmallRequestsOnly(t *testing.T) {
	t.Parallel()
	u := newUploadOf(t, gateway.Media(6<<20))
	u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength > 1<<20 {
			http.Error(w, "<html>", http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	u.succeeds(t)
}

func TestStalledConnections(t *testing.T) {
	t.Parallel()
	u := newUploadOf(t, gateway.Media(32<<20))
	var stalls atomic.Int32
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	u.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || stalls.Add(1) > 2 {
			return false
		}
		<-released // neither reads nor responds, like a dead connection
		return true
	}
	u.up.Stall = 300 * time.Millisecond
	u.succeeds(t)
	if len(u.progress.waits) == 0 || u.progress.waits[0] != "the connection stalled" {
		t.Errorf("reported the pauses %q", u.progress.waits)
	}
}

func TestUploadTimesOut(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.server.Cut = func(int64, int64) int64 { return 0 }
	u.up.Policy = &transfer.Policy{Timeout: 300 * time.Millisecond, FirstPause: time.Millisecond}
	started := time.Now()
	_, err := u.upload(t.Context(), t)
	if sx.CodeOf(err) != sx.CodeTimedOut || !strings.Contains(sx.AsError(err).Hint, "same command") {
		t.Errorf("got %v, want the code %s", err, sx.CodeTimedOut)
	}
	if passed := time.Since(started); passed > 10*time.Second {
		t.Errorf("gave up after %s", passed)
	}
}

func TestServerStoresLessThanWasSent(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.server.Stored = func(p []byte) []byte { return p[:(len(p)*3+3)/4] }
	u.succeeds(t)
}

// TestServerLosesStoredBytes checks that an upload continues from the beginning if the
// server's disk lost what had been stored.
func TestServerLosesStoredBytes(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	lost := false
	u.server.Cut = func(offset, _ int64) int64 {
		switch {
		case offset == 256<<10:
			return 1 << 20 // smaller bodies follow
		case offset > 1<<20 && !lost:
			lost = true
			u.truncateStored(t)
		}
		return -1
	}
	u.succeeds(t)
	if !lost {
		t.Error("nothing was lost")
	}
}

// truncateStored empties the file in which the server stores the upload.
func (u *uploadFixture) truncateStored(t *testing.T) {
	t.Helper()
	id, all := u.server.Jobs()[0].ID, filepath.Dir(filepath.Dir(u.path))
	err := filepath.WalkDir(all, func(at string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), id) {
			return os.Truncate(at, 0)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRefusalsOfProxies(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]sx.Code{
		http.StatusMethodNotAllowed: sx.CodeBlocked, http.StatusNotImplemented: sx.CodeBlocked,
		http.StatusProxyAuthRequired: sx.CodeBlocked, http.StatusRequestEntityTooLarge: sx.CodeTooLarge,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					http.Error(w, "<html>", status)
				}
				return r.Method == http.MethodPatch
			}
			if _, err := u.upload(t.Context(), t); sx.CodeOf(err) != code {
				t.Errorf("got %v, want code %s", err, code)
			}
			u.server.Before = nil
			u.succeeds(t) // the upload was kept
			if n := len(u.server.Jobs()); n != 1 {
				t.Errorf("%d uploads were started", n)
			}
		})
	}
}

func TestStoredBytesAreShown(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	polled := make(chan struct{})
	var once sync.Once
	u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0":
			// A slow link: the server responds only after the client has asked for progress.
			select {
			case <-polled:
			case <-r.Context().Done():
			}
		case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/jobs/"):
			defer once.Do(func() { close(polled) })
			job := u.server.Jobs()[0]
			if job.State != sx.StateUploading {
				return false
			}
			job.Progress = 50
			api.Write(w, http.StatusOK, job)
			return true
		}
		return false
	}
	u.succeeds(t)
	u.progress.mu.Lock()
	defer u.progress.mu.Unlock()
	if !slices.Contains(u.progress.sets, 3<<19) {
		t.Errorf("showed %v bytes", u.progress.sets)
	}
	for i := 1; i < len(u.progress.sets); i++ {
		if u.progress.sets[i] < u.progress.sets[i-1] {
			t.Errorf("showed %v bytes", u.progress.sets)
		}
	}
}

func TestBandwidthLimit(t *testing.T) {
	t.Parallel()
	u := newUploadOf(t, gateway.Media(400<<10))
	var err error
	if u.up.Limit, err = bandwidth.New("300k"); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	u.succeeds(t)
	if took := time.Since(started); took < time.Second {
		t.Errorf("took %s", took)
	}
}
