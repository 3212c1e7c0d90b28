package page_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestUploadSurvivesReload cuts an upload by a reload. Once the person has chosen the file again,
// it goes on where it stopped.
func TestUploadSurvivesReload(t *testing.T) {
	t.Parallel()
	held, given := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(given) })
	defer release()
	var once sync.Once
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
				once.Do(func() { // only the first one after the small part
					close(held)
					<-given
				})
			}
			return false
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	media := gateway.Media(2 << 20)
	path := writeFile(t, "long talk.mp4", media)
	b.Choose("Choose files", path)
	<-held
	b.Reload()
	release()
	b.See(".uploads li", "Choose the same file again to continue.")
	b.Choose("Choose files", writeFile(t, "long talk.mp4", gateway.Media(2<<20-1))) // another one
	b.See("tr", "long talk.mp4")
	b.Choose("Choose files", path)
	b.Gone(".uploads", "long talk.mp4")
	var complete int
	for _, j := range server.Jobs() {
		if bytes.Equal(server.Video(j.ID), media) {
			complete++
		}
	}
	if n := creations(server); complete != 1 || n != 2 {
		t.Errorf("%d complete uploads of the file, %d creations; want 1 and 2", complete, n)
	}
}

// TestUploadSurvivesOutages breaks the connection again and again.
func TestUploadSurvivesOutages(t *testing.T) {
	t.Parallel()
	var requests, cuts atomic.Int32
	server := gateway.New(t, func(s *gateway.Server) {
		s.Cut = func(_, length int64) int64 {
			if n := requests.Add(1); n == 2 || n == 4 {
				cuts.Add(1)
				return length / 2
			}
			return -1
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	media := gateway.Media(1 << 20)
	b.Choose("Choose files", writeFile(t, "talk.mp4", media))
	b.See("tr", "queued")
	if j := server.Jobs()[0]; !bytes.Equal(server.Video(j.ID), media) {
		t.Error("the video is not the file")
	}
	if cuts.Load() != 2 {
		t.Errorf("%d requests were cut, of %d", cuts.Load(), requests.Load())
	}
}

// TestUploadsAreSentOnce adds files while the browser takes its time to lock an upload for
// this tab: each is sent once.
func TestUploadsAreSentOnce(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	chromium.Eval[bool](b, `(() => {
		const request = LockManager.prototype.request;
		LockManager.prototype.request = async function (...args) {
			await new Promise((granted) => setTimeout(granted, 500));
			return request.apply(this, args);
		};
		return true;
	})()`)
	for _, name := range []string{"1.mp4", "2.mp4", "3.mp4", "4.mp4"} {
		b.Choose("Choose files", writeFile(t, name, gateway.Media(1000)))
	}
	for _, name := range []string{"1.mp4", "2.mp4", "3.mp4", "4.mp4"} {
		b.See("tr", name)
		b.Gone(".uploads", name)
	}
	// The end of the last one is after those of all that were sent twice.
	if n := creations(server); n != 4 {
		t.Errorf("%d uploads of 4 files were created", n)
	}
	heads := 0
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "HEAD ") {
			heads++
		}
	}
	if heads > 0 {
		t.Errorf("uploads were begun again: %d requests for what is stored", heads)
	}
}

// TestForeignResponses has the sign-in page of a network answer each kind of request once, in
// place of the server.
func TestForeignResponses(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if !strings.HasPrefix(r.URL.Path, api.PathUploads) || seen[r.Method] {
				return false
			}
			seen[r.Method] = true
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<title>Sign in to the network</title>"))
			return true
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	media := gateway.Media(200_000)
	b.Choose("Choose files", writeFile(t, "talk.mp4", media))
	b.See("tr", "queued")
	b.Gone(".uploads", "talk.mp4")
	jobs := server.Jobs()
	if len(jobs) != 1 || !bytes.Equal(server.Video(jobs[0].ID), media) {
		t.Errorf("%d jobs; the video is the file: %v", len(jobs), len(jobs) > 0 && bytes.Equal(server.Video(jobs[0].ID), media))
	}
	if len(seen) != 3 {
		t.Errorf("the methods are %v", seen)
	}
	server.Set(func() {
		server.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != api.PathUsage {
				return false
			}
			_, _ = w.Write([]byte("<title>Sign in to the network</title>"))
			return true
		}
	})
	b.Click("Account")
	b.See(".error", "the response (status 200) is not from SoundExtract")
}

// TestLostCreation has the response to the creation of an upload lost: no second one is created.
func TestLostCreation(t *testing.T) {
	t.Parallel()
	var lost atomic.Bool
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.URL.Path != api.PathUploads || !lost.CompareAndSwap(false, true) {
				return false
			}
			again := r.Clone(r.Context())
			again.URL.Scheme, again.URL.Host, again.RequestURI = "http", r.Host, ""
			res, err := http.DefaultClient.Do(again)
			if err != nil {
				t.Error(err)
			} else if _ = res.Body.Close(); res.StatusCode != http.StatusCreated {
				t.Errorf("status %d", res.StatusCode)
			}
			panic(http.ErrAbortHandler)
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Choose("Choose files", writeFile(t, "talk.mp4", gateway.Media(1000)))
	b.See("tr", "queued")
	b.Gone(".uploads", "talk.mp4")
	if jobs := server.Jobs(); len(jobs) != 1 || !lost.Load() {
		t.Errorf("%d jobs, lost: %v", len(jobs), lost.Load())
	}
}
