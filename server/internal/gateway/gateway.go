// Package gateway is the entry point of the API: it receives uploads, shows and
// changes jobs, streams their progress and serves tracks. It keeps no state that
// another gateway would need: every request is answered from the store, and what
// a crash leaves unfinished is finished by any gateway's reconciler.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/page"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/ratelimit"
	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/internal/tusserver"
)

// DefaultUploadLifetime is how long an unfinished upload is kept after its last byte.
const DefaultUploadLifetime = 7 * 24 * time.Hour

// Config configures a gateway. All fields without a default are required.
type Config struct {
	Updater         *jobs.Updater
	Jobs            store.Jobs
	Videos          store.Videos
	Tracks          store.Tracks
	Conversions     store.Conversions
	IdempotencyKeys store.IdempotencyKeys
	Feeds           store.Feeds
	Tasks           store.Tasks
	Limits          store.Limits
	Erasures        store.Erasures
	Bus             bus.Bus
	Space           *space.Monitor // nil admits uploads whatever is free

	// AuthURL is the auth service's base URL; AuthTransport sends the requests.
	AuthURL       *url.URL
	AuthTransport http.RoundTripper
	// NotifierURL and NotifierTransport are the same for the notifier.
	NotifierURL       *url.URL
	NotifierTransport http.RoundTripper
	// Verify returns the claims of an access token, or an *sx.Error of code
	// unauthenticated for an invalid one.
	Verify func(ctx context.Context, raw string) (token.Claims, error)

	// TrustedHops is how many trusted proxies are in front of the gateway, each of
	// which appends to X-Forwarded-For. With 0 the header is ignored.
	TrustedHops int

	Settings
	UploadLifetime time.Duration // 0 is DefaultUploadLifetime

	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer // nil keeps the metrics unpublished
}

// Service is the gateway.
type Service struct {
	cfg            Config
	endpoints      []endpoint
	mux            *http.ServeMux
	uploads        tusserver.Handler
	locks          *tusserver.Locks
	hub            *hub
	metrics        metrics
	backlog        *backlog
	personalTokens *personalTokenCache
	ownerStreams   *slots // by user ID
	addressStreams *slots // by clientKey
	ownerUploads   *slots // by user ID
	ownerArchives  *slots // by user ID
	large          *httpserver.LargeRequests
	opened         *ratelimit.Limiter // openings of links that are stored, by clientKey
	pendingUses    pendingUses
	feedReads      *ratelimit.Limiter  // by feed ID
	tags           chan struct{}       // has one element for each tag that is being read, see maxTags
	sending        *semaphore.Weighted // bytes of parts of feeds that are being sent, see maxSending
	ownerEdits     turns               // by user ID
	ownerTags      turns               // by user ID
	edits          chan struct{}       // has one element for each edit, see maxEdits
}

// New returns a gateway. Its Handler serves requests immediately; Run must be
// running too.
func New(cfg Config) *Service {
	if cfg.UploadLifetime == 0 {
		cfg.UploadLifetime = DefaultUploadLifetime
	}
	s := &Service{
		cfg: cfg, mux: http.NewServeMux(), locks: tusserver.NewLocks(), hub: newHub(),
		metrics: newMetrics(cfg.Registerer), backlog: newBacklog(cfg.Registerer, cfg.Now),
		ownerStreams: newSlots(maxStreams), addressStreams: newSlots(maxAddressStreams),
		ownerUploads: newSlots(maxUploads), ownerArchives: newSlots(maxArchives), large: httpserver.NewLargeRequests(),
		opened:    ratelimit.New(openBurst, openInterval),
		feedReads: ratelimit.New(readBurst, readInterval), tags: make(chan struct{}, maxTags),
		sending: semaphore.NewWeighted(maxSending), edits: make(chan struct{}, maxEdits),
	}
	s.uploads = tusserver.Handler{Store: uploads{s}, Locks: s.locks, Path: api.PathUploads, MaxSize: s.cfg.MaxUpload}
	s.personalTokens = newPersonalTokenCache(s.exchange, cfg.Now)
	s.endpoints = s.routes()
	for _, e := range s.endpoints {
		s.mux.Handle(e.Method+" "+e.Pattern, s.handle(e))
	}
	page.Mount(s.mux)
	return s
}

// Handler serves everything below /v1, and the web page.
func (s *Service) Handler() http.Handler { return protect(httpserver.Routes(s.mux)) }

// Run receives announcements and finishes, expires and removes uploads until ctx
// ends.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { s.listen(ctx); return nil })
	group.Go(func() error { s.reconcile(ctx); return nil })
	if s.cfg.Space != nil {
		group.Go(func() error { s.cfg.Space.Run(ctx); return nil })
	}
	group.Go(func() error { s.publishLimits(ctx); return nil })
	group.Go(func() error { s.watchBacklog(ctx); return nil })
	group.Go(func() error { s.removeExpiredKeys(ctx); return nil })
	for _, t := range []*periodic.Task{s.newSweep(), s.newRecount(), s.newRetention(), s.newReview(), s.newErase()} {
		group.Go(func() error { t.Run(ctx); return nil })
	}
	return group.Wait()
}

// listen forwards announcements to the event streams, and stops the requests of
// uploads that were ended elsewhere, until ctx ends.
func (s *Service) listen(ctx context.Context) {
	for ctx.Err() == nil {
		over := make(chan string, maxPendingStops)
		group, inner := errgroup.WithContext(ctx)
		group.Go(func() error { s.stopAnnounced(inner, over); return nil })
		group.Go(func() error {
			return s.cfg.Bus.Listen(inner, func(id string) {
				s.hub.announce(id)
				if s.locks.Held(id) {
					select {
					case over <- id:
					default: // the reconciler stops it
					}
				}
			})
		})
		if err := group.Wait(); ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "receiving announcements failed; retrying", "error", err)
		}
		_ = backoff.Sleep(ctx, listenRetryDelay) // the loop checks ctx
	}
}

const (
	maxPendingStops  = 256
	listenRetryDelay = time.Second
)

// serveOpenAPI serves the description of the API.
func (s *Service) serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	_, _ = w.Write(api.OpenAPI)                        // an error means that the client has disconnected
	return nil
}
