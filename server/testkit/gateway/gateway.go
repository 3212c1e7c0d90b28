// Package gateway runs the real gateway and auth in the test's process, on
// localstore and membus, as the server for tests of clients. Hooks inject
// faults: broken connections, stalls, error responses, altered bytes.
package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// Admin is the name of the administrator, whose account AdminCode creates.
const (
	Admin     = "administrator"
	AdminCode = "sxi_administrator"
)

// Organisation is how auth uses an OpenID provider: verified addresses of example.org get
// an account, and the group admins administers the server.
type Organisation struct {
	Issuer, ClientID, ClientSecret string
	NoPasswords                    bool
}

func (o *Organisation) configure(cfg *auth.Config) {
	if o == nil {
		return
	}
	cfg.NoPasswords = o.NoPasswords
	cfg.OIDC = auth.OIDC{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
		Domains: []string{"example.org"}, AdminGroup: "admins",
	}
}

// Server is a running gateway. Set its hooks before the first request, or with Set.
type Server struct {
	URL string
	// Token is an access token of the user of Client.
	Token string
	// Convert returns the MP3 of a video as soon as that is complete, in place
	// of the converter; nil leaves jobs queued.
	Convert func(video []byte) []byte
	// Split does so for jobs that are split; it returns several MP3s.
	Split func(video []byte) [][]byte
	// Before is called before each request and reports whether it has sent a
	// response.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// Lose reports whether the connection breaks after the request was served and
	// before the response is sent.
	Lose func(r *http.Request) bool
	// Cut returns the number of bytes of a PATCH after which the connection
	// breaks; -1 means never.
	Cut func(offset, length int64) int64
	// Stored may change received bytes before they are stored.
	Stored func(p []byte) []byte
	// Notify runs the notifier with these settings; nil means that there is none.
	Notify *notifier.Settings
	// Organisation is the OpenID provider that signs people in; nil is none.
	Organisation *Organisation
	// TokenLifetime is how long access tokens are accepted.
	TokenLifetime time.Duration

	tb      testing.TB
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	owner   string // the user of Client, who owns the jobs of Add

	mu        sync.Mutex
	requests  []string
	refreshed int
	expiry    map[string]time.Time // of access tokens that auth issued
}

// Set changes hooks while requests may be served.
func (s *Server) Set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// hook returns one of the hooks.
func hook[T any](s *Server, h *T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *h
}

// New starts a server that stops at the end of the test. If clients run in
// other processes, set its hooks before they start.
func New(tb testing.TB, before ...func(*Server)) *Server {
	tb.Helper()
	s := &Server{tb: tb, TokenLifetime: time.Hour, bus: membus.New(), expiry: map[string]time.Time{}}
	for _, set := range before {
		set(s)
	}
	log, _ := testkit.Logger(tb)
	var err error
	if s.store, err = localstore.Open(tb.Context(), localstore.Config{Dir: tb.TempDir()}); err != nil {
		tb.Fatal(err)
	}
	handler, run := s.services(log)
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	web := httptest.NewServer(s.handler(handler))
	s.URL = web.URL
	tb.Cleanup(func() {
		web.CloseClientConnections() // ends event streams
		web.Close()
		stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
		if err := s.bus.Close(); err != nil {
			tb.Error(err)
		}
		if err := s.store.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// services creates auth and the gateway, and a user for Client.
func (s *Server) services(log *slog.Logger) (http.Handler, func(context.Context) error) {
	s.tb.Helper()
	keys, err := token.LoadKeys(s.tb.TempDir(), time.Now())
	if err != nil {
		s.tb.Fatal(err)
	}
	signer, err := token.NewSigner(keys, time.Now)
	if err != nil {
		s.tb.Fatal(err)
	}
	cfg := auth.Config{
		Users: s.store.Users, Sessions: s.store.Sessions, Invitations: s.store.Invitations, Bindings: s.store.Bindings,
		PersonalTokens: s.store.PersonalTokens, Audit: s.store.Audit, Limits: s.store.Limits, Erasures: s.store.Erasures, Tasks: s.store.Tasks, Format: s.store.Format, Signer: signer, Registration: auth.RegistrationOpen,
		Admin: Admin, AdminCode: AdminCode,
		Log: log, Now: time.Now,
	}
	s.Organisation.configure(&cfg)
	authService, err := auth.New(cfg)
	if err != nil {
		s.tb.Fatal(err)
	}
	toAuth, authURL := httpserver.HandlerTransport(authService.Handler()), &url.URL{Scheme: "http", Host: "auth"}
	verifier := token.NewVerifier(token.FetchURL(&http.Client{Transport: toAuth}, authURL.String()+api.PathKeys), time.Now)
	s.updater = &jobs.Updater{Jobs: s.store.Jobs, Bus: s.bus, Log: log, Now: time.Now}
	run := httpserver.Group{authService.Run}
	toNotifier := toAuth // which answers 404
	if s.Notify != nil {
		n, err := notifier.New(notifier.Config{
			Updater: s.updater, Bus: s.bus, NotificationSettings: s.store.NotificationSettings, Deliveries: s.store.Deliveries, Counters: s.store.Counters, Erasures: s.store.Erasures, Tasks: s.store.Tasks,
			AuthURL: authURL, AuthTransport: toAuth, Settings: *s.Notify,
			Log: log, Now: time.Now, ReconcileInterval: time.Second,
		})
		if err != nil {
			s.tb.Fatal(err)
		}
		toNotifier, run = httpserver.HandlerTransport(n.Handler()), append(run, n.Run)
	}
	g := gateway.New(gateway.Config{
		Updater: s.updater, Jobs: s.store.Jobs, Videos: s.store.Videos, Tracks: s.store.Tracks, Conversions: s.store.Conversions, IdempotencyKeys: s.store.IdempotencyKeys, Feeds: s.store.Feeds, Tasks: s.store.Tasks, Limits: s.store.Limits, Erasures: s.store.Erasures, Bus: s.bus,
		AuthURL: authURL, AuthTransport: toAuth, Verify: verifier.Verify,
		NotifierURL: authURL, NotifierTransport: toNotifier,
		Settings: gateway.Settings{Retention: sx.DefaultRetention()}, Log: log, Now: time.Now,
	})
	s.owner = sx.NewID()
	if s.Token, _, err = signer.Sign(token.Claims{UserID: s.owner, SessionID: sx.NewID()}); err != nil {
		s.tb.Fatal(err)
	}
	return g.Handler(), append(run, g.Run).Run
}

// Client returns a client of the server that is signed in.
func (s *Server) Client(tb testing.TB) *client.Client {
	tb.Helper()
	c, err := client.New(s.URL, &http.Client{Transport: client.Bearer{Token: s.Token}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Digest returns the SHA-256 in lower-case hex.
func Digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// Media returns size random bytes that the gateway accepts as a WAV file.
func Media(size int) []byte {
	p := make([]byte, size)
	_, _ = rand.Read(p) // never fails
	return AsMedia(p)
}

// AsMedia overwrites the first bytes of p, so that the gateway accepts it as a
// WAV file.
func AsMedia(p []byte) []byte {
	copy(p, "RIFF\x00\x00\x00\x00WAVEfmt ")
	return p
}

// handler calls the hooks before the gateway.
func (s *Server) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		before, lose := s.Before, s.Lose
		s.mu.Unlock()
		switch {
		case before != nil && before(w, r):
		case s.revoked(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "the access token is not valid"))
		case r.Method == http.MethodPatch:
			s.patch(w, r, next)
		case r.Method == http.MethodPost && slices.Contains([]string{api.PathRegister, api.PathLogin, api.PathRefresh}, r.URL.Path):
			s.issue(w, r, next)
		case lose != nil && lose(r):
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			next.ServeHTTP(w, r)
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/retry") {
				s.convert(r.Context(), jobOf(r.URL.Path))
			}
		}
	})
}

// jobOf returns the job's id in the path of a request.
func jobOf(path string) string {
	for _, part := range strings.Split(path, "/")[3:] { // "", v1, jobs or uploads
		return part
	}
	return ""
}

// patch stores the body as Cut and Stored modify it.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, next http.Handler) {
	limit := int64(-1)
	if cut := hook(s, &s.Cut); cut != nil {
		var offset int64
		_ = json.Unmarshal([]byte(r.Header.Get("Upload-Offset")), &offset)
		limit = cut(offset, r.ContentLength)
	}
	cut := limit >= 0 && limit < r.ContentLength
	if cut {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, limit), brokenConnection{}))
	}
	if stored := hook(s, &s.Stored); stored != nil {
		p, _ := io.ReadAll(r.Body) // the bytes until the connection broke
		p = stored(p)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(p)), int64(len(p))
	}
	if cut {
		next.ServeHTTP(httptest.NewRecorder(), r) // the response is lost
		panic(http.ErrAbortHandler)               // breaks the connection
	}
	next.ServeHTTP(w, r)
	s.convert(r.Context(), jobOf(r.URL.Path))
}

// brokenConnection is the rest of a body that does not arrive.
type brokenConnection struct{}

func (brokenConnection) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// convert finishes the job if it is queued and there is the hook Convert.
func (s *Server) convert(ctx context.Context, id string) {
	convert := hook(s, &s.Convert)
	if convert == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	j, err := s.store.Jobs.Get(ctx, id)
	if err != nil || j.State != sx.StateQueued {
		return
	}
	if split := hook(s, &s.Split); split != nil && j.Options.Split() {
		s.Finish(id, split(s.video(ctx, id))...)
		return
	}
	s.Finish(id, convert(s.video(ctx, id)))
}

// issue serves a sign-in, and records when its access token expires.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	var tokens api.Tokens
	if err := json.Unmarshal(answer.Body.Bytes(), &tokens); err != nil || tokens.AccessToken == "" {
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		return
	}
	s.mu.Lock()
	if r.URL.Path == api.PathRefresh {
		s.refreshed++
	}
	s.expiry[tokens.AccessToken] = time.Now().Add(s.TokenLifetime)
	s.mu.Unlock()
	tokens.ExpiresIn = int(s.TokenLifetime.Seconds())
	api.Write(w, answer.Code, tokens)
}

// revoked reports whether the request's access token has expired by TokenLifetime
// or was revoked by RevokeAccess.
func (s *Server) revoked(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, issued := s.expiry[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	return issued && time.Now().After(at)
}

// RevokeAccess makes all access tokens invalid, as after a key rotation.
func (s *Server) RevokeAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.expiry {
		s.expiry[token] = time.Time{}
	}
}

// Refreshed returns how many refresh tokens were exchanged.
func (s *Server) Refreshed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshed
}

// Requests returns the methods and paths of all requests so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
