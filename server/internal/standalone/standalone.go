// Package standalone is the local mode: the four services in one process, on
// files and in-process messages.
package standalone

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Config is what an operator can set.
type Config struct {
	Addr        string // host:port to listen on; port 0 is a free one
	Data        string // the folder that keeps everything
	Conversions int    // how many run at once
	Quota       int64  // bytes that one account may keep; 0 is no limit
	MaxUpload   int64  // bytes of one file; 0 is no limit
	// Registration says who may make an account beside the first one, who
	// administers.
	Registration auth.Registration
	Notify       notifier.Settings
	Log          *slog.Logger
}

// reconcileInterval is the interval between two checks for lost wake-up messages and due
// deliveries.
// In one process that happens only at a start, which looks at once.
const reconcileInterval = 5 * time.Second

// Run serves until ctx ends, then hands running jobs back and returns. Errors
// that an operator can cause (address in use, folder in use, no ffmpeg) say so.
func Run(ctx context.Context, cfg Config) error {
	transcoder, err := ffmpeg.New(ctx, ffmpeg.Config{Log: cfg.Log})
	if err != nil {
		return err
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	stored, err := localstore.Open(data)
	if err != nil {
		return err
	}
	defer func() { _ = stored.Close() }()
	listener, err := httpserver.Listen(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	messages := membus.New()
	defer func() { _ = messages.Close() }()
	p := &parts{cfg: cfg, data: data, store: stored, bus: messages, registry: httpserver.NewRegistry()}
	p.updater = &jobs.Updater{Jobs: stored.Jobs, Bus: messages, Log: cfg.Log, Now: time.Now}
	// The folder is ours alone, so whoever held these jobs is no more.
	if err := converter.ReleaseAll(ctx, p.updater); err != nil {
		return fmt.Errorf("take over the jobs of the last run: %w", err)
	}

	front, err := p.front()
	if err != nil {
		return err
	}
	health := httpserver.NewHealth(cfg.Log, map[string]func(context.Context) error{"store": stored.Ping, "bus": messages.Ping})
	server := &httpserver.Server{Listener: listener, Handler: p.handler(front.gateway, health), Health: health, Log: cfg.Log}
	card := card{Addr: listener.Addr().String(), Instance: health.Instance()}
	if err := card.write(data); err != nil {
		return err
	}
	defer removeCard(data)
	cfg.Log.InfoContext(ctx, "serving", "url", "http://"+card.Addr, "data", data, "version", sx.Version)
	return httpserver.Group{
		server.Run,
		front.auth.Run,
		front.gateway.Run,
		front.notifier.Run,
		p.converter(transcoder).Run,
	}.Run(ctx)
}

// parts are what the services are made of.
type parts struct {
	cfg      Config
	data     string
	store    store.Store
	bus      bus.Bus
	updater  *jobs.Updater
	registry *prometheus.Registry
}

// front are the services that answer requests.
type front struct {
	auth     *auth.Service
	notifier *notifier.Service
	gateway  *gateway.Service
}

// front makes auth, the notifier that calls it and the gateway that calls both,
// by HTTP as in a cluster, only without a network between them.
func (p *parts) front() (f front, err error) {
	keys, err := token.LoadKeys(filepath.Join(p.data, "keys"), time.Now())
	if err != nil {
		return f, err
	}
	signer, err := token.NewSigner(keys, time.Now)
	if err != nil {
		return f, err
	}
	f.auth, err = auth.New(auth.Config{
		Users: p.store.Users, Sessions: p.store.Sessions,
		Invitations: p.store.Invitations, PersonalTokens: p.store.PersonalTokens, Signer: signer,
		Registration: p.cfg.Registration, FirstIsAdmin: true,
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry, TrustForwarded: true,
	})
	if err != nil {
		return f, err
	}
	toAuth := httpserver.HandlerTransport(f.auth.Handler())
	authURL := &url.URL{Scheme: "http", Host: "auth"}
	f.notifier, err = notifier.New(notifier.Config{
		Updater: p.updater, Bus: p.bus, NotificationSettings: p.store.NotificationSettings, Deliveries: p.store.Deliveries,
		AuthURL: authURL, AuthTransport: toAuth, Settings: p.cfg.Notify,
		Log: p.cfg.Log, Now: time.Now, ReconcileInterval: reconcileInterval, Registerer: p.registry,
	})
	if err != nil {
		return f, err
	}
	verifier := token.NewVerifier(
		token.FetchURL(&http.Client{Transport: toAuth}, authURL.String()+api.PathKeys), time.Now)
	f.gateway = gateway.New(gateway.Config{
		Updater: p.updater, Jobs: p.store.Jobs, Videos: p.store.Videos, Tracks: p.store.Tracks, Bus: p.bus,
		AuthURL: authURL, AuthTransport: toAuth, Verify: verifier.Verify,
		NotifierURL: &url.URL{Scheme: "http", Host: "notifier"}, NotifierTransport: httpserver.HandlerTransport(f.notifier.Handler()),
		Quota: p.cfg.Quota, MaxUpload: p.cfg.MaxUpload,
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry,
	})
	return f, nil
}

func (p *parts) handler(g *gateway.Service, health *httpserver.Health) http.Handler {
	mux := http.NewServeMux()
	health.Mount(mux, p.registry)
	mux.Handle("/", g.Handler())
	return httpserver.Observe(mux, p.cfg.Log, p.registry)
}

func (p *parts) converter(t converter.Transcoder) *converter.Service {
	return converter.New(converter.Config{
		Updater: p.updater, Bus: p.bus, Videos: p.store.Videos, Tracks: p.store.Tracks,
		Transcoder: t, Slots: p.cfg.Conversions, TempDir: filepath.Join(p.data, "tmp"),
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry,
	})
}
