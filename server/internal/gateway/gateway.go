// Package gateway is the entry point of the API: it takes uploads in, shows and
// changes jobs, streams their progress and hands out tracks. It holds nothing
// that another gateway would miss: every request is answered from the store,
// and what a crash leaves half-done is finished by any gateway's reconciler.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	tusd "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
)

// DefaultUploadLife is how long an unfinished upload is kept after its last byte.
const DefaultUploadLife = 7 * 24 * time.Hour

// Config is what a gateway needs. All fields without a default are required.
type Config struct {
	Updater *jobs.Updater
	Jobs    store.Jobs
	Videos  store.Videos
	Tracks  store.Tracks
	Bus     bus.Bus

	// AuthURL is where the auth service answers, AuthTransport the way there.
	AuthURL       *url.URL
	AuthTransport http.RoundTripper
	// NotifierURL is where the notifier answers, NotifierTransport the way there.
	NotifierURL       *url.URL
	NotifierTransport http.RoundTripper
	// Verify gives the claims of an access token, an *sx.Error of code
	// unauthenticated for a bad one.
	Verify func(ctx context.Context, raw string) (token.Claims, error)

	// TrustedHops is how many proxies of ours stand before the gateway, each of
	// which appends to X-Forwarded-For; with 0 the header is not heeded.
	TrustedHops int

	Quota      int64         // bytes that one user may keep; 0 is no limit
	MaxUpload  int64         // bytes of one file; 0 is no limit
	UploadLife time.Duration // 0 is DefaultUploadLife

	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer // nil keeps the metrics unpublished
}

// Service is the gateway.
type Service struct {
	cfg            Config
	endpoints      []endpoint
	mux            *http.ServeMux
	tus            *tusd.UnroutedHandler
	locks          *uploadLocks
	hub            *hub
	metrics        metrics
	personalTokens *personalTokenCache
}

// New makes a gateway. Its Handler answers at once; Run has to run beside it.
func New(cfg Config) *Service {
	if cfg.UploadLife == 0 {
		cfg.UploadLife = DefaultUploadLife
	}
	s := &Service{
		cfg: cfg, mux: http.NewServeMux(), locks: newUploadLocks(), hub: newHub(),
		metrics: newMetrics(cfg.Registerer),
	}
	s.tus = newTus(s)
	s.personalTokens = newPersonalTokenCache(s.exchange, cfg.Now)
	s.endpoints = s.routes()
	for _, e := range s.endpoints {
		s.mux.Handle(e.Method+" "+e.Pattern, s.handle(e))
	}
	return s
}

// Handler serves everything below /v1.
func (s *Service) Handler() http.Handler { return httpserver.Routes(s.mux) }

// Run listens for announcements and finishes, expires and cleans up uploads
// until ctx ends. Then it ends the requests that would go on for long, the
// event streams and the uploads; both go on at another gateway.
func (s *Service) Run(ctx context.Context) error {
	defer s.locks.close()
	defer s.hub.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { s.listen(ctx); return nil })
	group.Go(func() error { s.reconcile(ctx); return nil })
	return group.Wait()
}

// listen passes announcements on to the event streams and to the uploads that
// they end. It goes on until ctx ends.
func (s *Service) listen(ctx context.Context) {
	for ctx.Err() == nil {
		over := make(chan string, stopsAhead)
		group, inner := errgroup.WithContext(ctx)
		group.Go(func() error { s.stopOver(inner, over); return nil })
		group.Go(func() error {
			return s.cfg.Bus.Listen(inner, func(id string) {
				s.hub.announce(id)
				if s.locks.held(id) {
					select {
					case over <- id:
					default: // the reconciler looks after every upload as well
					}
				}
			})
		})
		if err := group.Wait(); ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "announcements are not heard, trying again", "error", err)
		}
		pause(ctx, listenAgain)
	}
}

const (
	stopsAhead  = 256
	listenAgain = time.Second
)

// pause waits, but not longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// serveOpenAPI answers with the API's description.
func (s *Service) serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	_, _ = w.Write(api.OpenAPI)                        // a client that is gone cannot be told
	return nil
}
