// Package fakeserver is a SoundExtract server for tests of the commands: it
// answers in the API's words from memory, and counts what it is asked.
package fakeserver

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Server is a running fake. Its fields may be set before the first request.
type Server struct {
	URL string
	// TokenLife is how long access tokens are good.
	TokenLife time.Duration

	mu        sync.Mutex
	passwords map[string]string
	access    map[string]grant  // by access token
	refresh   map[string]string // refresh token to user; a used one is gone
	jobs      []api.Job
	refreshed int
	paths     []string
}

type grant struct {
	user string
	ends time.Time
}

// Start runs a server until the test ends.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{
		TokenLife: time.Hour,
		passwords: map[string]string{}, access: map[string]grant{}, refresh: map[string]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.PathRegister, s.register)
	mux.HandleFunc("POST "+api.PathLogin, s.login)
	mux.HandleFunc("POST "+api.PathRefresh, s.renew)
	mux.HandleFunc("POST "+api.PathLogout, s.logout)
	mux.HandleFunc("GET "+api.PathMe, s.signedIn(func(w http.ResponseWriter, _ *http.Request, user string) {
		api.Write(w, http.StatusOK, account(user))
	}))
	mux.HandleFunc("GET "+api.PathJobs, s.signedIn(s.list))
	mux.HandleFunc("GET "+api.PathJob, s.signedIn(s.onJob(func(*api.Job) error { return nil })))
	mux.HandleFunc("DELETE "+api.PathJob, s.signedIn(s.remove))
	mux.HandleFunc("POST "+api.PathCancel, s.signedIn(s.onJob(func(j *api.Job) error {
		if j.State.Final() {
			return sx.NewError(sx.CodeConflict, "job %s is %s and cannot become cancelled", j.ID, j.State)
		}
		j.State = sx.StateCancelled
		return nil
	})))
	mux.HandleFunc("POST "+api.PathRetry, s.signedIn(s.onJob(func(j *api.Job) error {
		j.State, j.Error = sx.StateQueued, nil
		return nil
	})))
	mux.HandleFunc("PUT /echo", s.signedIn(func(w http.ResponseWriter, r *http.Request, _ string) {
		api.Write(w, http.StatusOK, r.ContentLength)
	}))
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(hs.Close)
	s.URL = hs.URL
	return s
}

// AddJobs adds jobs, the newest last.
func (s *Server) AddJobs(jobs ...api.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		s.jobs = append([]api.Job{j}, s.jobs...)
	}
}

// Refreshed counts the refresh tokens that were traded.
func (s *Server) Refreshed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshed
}

// Requests lists methods and paths of all requests so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.paths)
}

// ForgetAccess makes all access tokens bad, as after a change of keys.
func (s *Server) ForgetAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// EndSessions makes all tokens bad.
func (s *Server) EndSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
	clear(s.refresh)
}

func account(user string) api.User {
	return api.User{ID: "id-" + user, Name: user, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// grant makes tokens; the caller holds the lock.
func (s *Server) grant(user string) api.Tokens {
	access, refresh := rand.Text(), rand.Text()
	s.access[access] = grant{user, time.Now().Add(s.TokenLife)}
	s.refresh[refresh] = user
	return api.Tokens{
		AccessToken: access, RefreshToken: refresh,
		ExpiresIn: int(s.TokenLife.Seconds()), User: account(user),
	}
}

func read[T any](w http.ResponseWriter, r *http.Request) (in T, ok bool) {
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		api.WriteError(w, sx.NewError(sx.CodeInvalid, "no JSON"))
		return in, false
	}
	return in, true
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	in, ok := read[api.Credentials](w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.passwords[in.Name]; taken {
		api.WriteError(w, sx.NewError(sx.CodeNameTaken, "the name %s is taken", in.Name))
		return
	}
	s.passwords[in.Name] = in.Password
	api.Write(w, http.StatusCreated, s.grant(in.Name))
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	in, ok := read[api.Credentials](w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, known := s.passwords[in.Name]; !known || p != in.Password {
		api.WriteError(w, sx.NewError(sx.CodeBadCredentials, "name or password is wrong"))
		return
	}
	api.Write(w, http.StatusOK, s.grant(in.Name))
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	in, ok := read[api.RefreshRequest](w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user, good := s.refresh[in.RefreshToken]
	if !good {
		api.WriteError(w, sx.NewError(sx.CodeSessionEnded, "the sign-in has ended"))
		return
	}
	delete(s.refresh, in.RefreshToken)
	s.refreshed++
	api.Write(w, http.StatusOK, s.grant(user))
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	in, ok := read[api.RefreshRequest](w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refresh, in.RefreshToken)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) signedIn(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		g, ok := s.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		s.mu.Unlock()
		if !ok || time.Now().After(g.ends) {
			api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "the access token is not good"))
			return
		}
		next(w, r, g.user)
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, _ string) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	out, limit := api.JobList{Jobs: []api.Job{}}, api.DefaultLimit
	if raw := q.Get(api.QueryLimit); raw != "" {
		if err := json.Unmarshal([]byte(raw), &limit); err != nil || limit < 1 || limit > api.MaxLimit {
			api.WriteError(w, sx.NewError(sx.CodeInvalid, "bad limit"))
			return
		}
	}
	after := q.Get(api.QueryAfter)
	for _, j := range s.jobs {
		if after != "" {
			if j.ID == after {
				after = ""
			}
			continue
		}
		if states := q[api.QueryState]; len(states) > 0 && !slices.Contains(states, string(j.State)) ||
			!strings.Contains(j.Name, q.Get(api.QueryName)) {
			continue
		}
		if len(out.Jobs) == limit {
			out.Next = out.Jobs[limit-1].ID
			break
		}
		out.Jobs = append(out.Jobs, j)
	}
	api.Write(w, http.StatusOK, out)
}

func (s *Server) find(id string) (int, error) {
	i := slices.IndexFunc(s.jobs, func(j api.Job) bool { return j.ID == id })
	if i < 0 {
		return 0, sx.NewError(sx.CodeNotFound, "job %s not found", id)
	}
	return i, nil
}

func (s *Server) onJob(change func(*api.Job) error) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, _ string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		i, err := s.find(r.PathValue("id"))
		if err == nil {
			err = change(&s.jobs[i])
		}
		if err != nil {
			api.WriteError(w, err)
			return
		}
		api.Write(w, http.StatusOK, s.jobs[i])
	}
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(r.PathValue("id"))
	if err != nil {
		api.WriteError(w, err)
		return
	}
	s.jobs = slices.Delete(s.jobs, i, i+1)
	w.WriteHeader(http.StatusNoContent)
}
