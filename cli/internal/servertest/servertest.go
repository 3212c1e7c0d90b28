// Package servertest is a small server that speaks SoundExtract's API and tus
// well enough to test the client side against, and badly where a test wants it:
// it cuts connections, stalls, loses answers and forgets uploads.
package servertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Server is the server. Its hooks are set before it is used.
type Server struct {
	URL string
	// Convert makes the MP3 of a whole video at once; nil leaves jobs queued.
	Convert func(video []byte) []byte
	// Before is asked before each request and reports whether it answered it.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// Cut says after how many bytes of a PATCH the connection breaks; -1 is never.
	Cut func(offset, length int64) int64
	// Stored may change what is stored of the bytes that arrived.
	Stored func(p []byte) []byte

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	jobs    []*job        // oldest first
}

type job struct {
	api.Job
	rev   int
	meta  map[string]string
	video []byte
	track []byte
}

// New starts a server that ends with the test. Clients in other processes need
// its hooks to be set before the start.
func New(tb testing.TB, before ...func(*Server)) *Server {
	tb.Helper()
	s := &Server{changed: make(chan struct{})}
	for _, set := range before {
		set(s)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.PathUploads, s.create)
	mux.HandleFunc("HEAD "+api.PathUploads+"{id}", s.head)
	mux.HandleFunc("PATCH "+api.PathUploads+"{id}", s.patch)
	mux.HandleFunc("GET "+api.PathJobs, s.list)
	mux.HandleFunc("GET "+api.PathJob, s.get)
	mux.HandleFunc("DELETE "+api.PathJob, s.remove)
	mux.HandleFunc("POST "+api.PathRetry, s.retry)
	mux.HandleFunc("GET "+api.PathTrack, s.track)
	mux.HandleFunc("GET "+api.PathEvents, s.events)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Before == nil || !s.Before(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	tb.Cleanup(func() {
		web.CloseClientConnections() // ends event streams
		web.Close()
	})
	s.URL = web.URL
	return s
}

// Client calls the server.
func (s *Server) Client(tb testing.TB) *client.Client {
	tb.Helper()
	c, err := client.New(s.URL, &http.Client{Transport: &http.Transport{}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Digest is the SHA-256 in lower-case hex.
func Digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// Add puts a job there; one in the state done has the given MP3.
func (s *Server) Add(name string, state sx.State, mp3 []byte) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := &job{Job: api.Job{ID: sx.NewID(), Name: name, State: state, Created: time.Now(), Updated: time.Now()}}
	if state == sx.StateDone {
		j.finish(mp3)
	}
	s.jobs = append(s.jobs, j)
	return j.ID
}

// Change changes a job.
func (s *Server) Change(id string, change func(*api.Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(id); j != nil {
		change(&j.Job)
		s.touch(j)
	}
}

// Finish ends a job well.
func (s *Server) Finish(id string, mp3 []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(id); j != nil {
		j.finish(mp3)
		s.touch(j)
	}
}

// Forget makes the server know nothing of a job, as after its expiry.
func (s *Server) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = slices.DeleteFunc(s.jobs, func(j *job) bool { return j.ID == id })
	close(s.changed)
	s.changed = make(chan struct{})
}

// Jobs gives all jobs, oldest first.
func (s *Server) Jobs() []api.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]api.Job, len(s.jobs))
	for i, j := range s.jobs {
		out[i] = j.Job
	}
	return out
}

// Video gives what is stored of a job's video, and the upload's metadata.
func (s *Server) Video(id string) (video []byte, metadata map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(id); j != nil {
		return slices.Clone(j.video), j.meta
	}
	return nil, nil
}

func (j *job) finish(mp3 []byte) {
	j.track, j.State, j.Progress = mp3, sx.StateDone, 100
	j.Track = &api.Track{Size: int64(len(mp3)), SHA256: Digest(mp3), Duration: 30}
}

func (s *Server) find(id string) *job {
	for _, j := range s.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// touch tells those who wait for changes.
func (s *Server) touch(j *job) {
	j.Updated = time.Now()
	j.rev++
	close(s.changed)
	s.changed = make(chan struct{})
}

// with answers with fn's error, or 404.
func (s *Server) with(w http.ResponseWriter, r *http.Request, fn func(*job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(r.PathValue("id")); j != nil {
		fn(j)
		return
	}
	api.WriteError(w, sx.NewError(sx.CodeNotFound, "job %s not found", r.PathValue("id")))
}

func metadata(header string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(pair, " ")
		raw, _ := base64.StdEncoding.DecodeString(value)
		out[key] = string(raw)
	}
	return out
}
