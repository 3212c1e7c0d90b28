// Package allinone is the local mode: the four services in one process, on
// files and in-process messages.
package allinone

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
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/serve"
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
	Log          *slog.Logger
}

// reconcile is the pause between two looks for work whose doorbell got lost.
// In one process that happens only at a start, which looks at once.
const reconcile = 5 * time.Second

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
	listener, err := serve.Listen(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	messages := membus.New()
	defer func() { _ = messages.Close() }()
	p := &parts{cfg: cfg, data: data, store: stored, bus: messages, registry: serve.NewRegistry()}
	p.ledger = &jobs.Ledger{Jobs: stored.Jobs, Bus: messages, Log: cfg.Log, Now: time.Now}
	// The folder is ours alone, so whoever held these jobs is no more.
	if err := converter.ReleaseAll(ctx, p.ledger); err != nil {
		return fmt.Errorf("take over the jobs of the last run: %w", err)
	}

	authService, gatewayService, err := p.front()
	if err != nil {
		return err
	}
	health := serve.NewHealth(cfg.Log, map[string]func(context.Context) error{"store": stored.Ping, "bus": messages.Ping})
	server := &serve.Server{Listener: listener, Handler: p.handler(gatewayService, health), Health: health, Log: cfg.Log}
	card := card{Addr: listener.Addr().String(), Instance: health.Instance()}
	if err := card.write(data); err != nil {
		return err
	}
	defer removeCard(data)
	cfg.Log.InfoContext(ctx, "serving", "url", "http://"+card.Addr, "data", data, "version", sx.Version)
	return serve.Group{
		server.Run,
		authService.Run,
		gatewayService.Run,
		p.converter(transcoder).Run,
		p.notifier().Run,
	}.Run(ctx)
}

// parts are what the services are made of.
type parts struct {
	cfg      Config
	data     string
	store    store.Store
	bus      bus.Bus
	ledger   *jobs.Ledger
	registry *prometheus.Registry
}

// front makes auth and the gateway that calls it, by HTTP as in a cluster, only
// without a network between them.
func (p *parts) front() (*auth.Service, *gateway.Service, error) {
	keys, err := token.LoadKeys(filepath.Join(p.data, "keys"), time.Now())
	if err != nil {
		return nil, nil, err
	}
	signer, err := token.NewSigner(keys, time.Now)
	if err != nil {
		return nil, nil, err
	}
	authService, err := auth.New(auth.Config{
		Users: p.store.Users, Sessions: p.store.Sessions,
		Invitations: p.store.Invitations, PersonalTokens: p.store.PersonalTokens, Signer: signer,
		Registration: p.cfg.Registration, FirstIsAdmin: true,
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry, TrustForwarded: true,
	})
	if err != nil {
		return nil, nil, err
	}
	direct := serve.HandlerTransport(authService.Handler())
	authURL := &url.URL{Scheme: "http", Host: "auth"}
	verifier := token.NewVerifier(
		token.FetchURL(&http.Client{Transport: direct}, authURL.String()+api.PathKeys), time.Now)
	return authService, gateway.New(gateway.Config{
		Ledger: p.ledger, Jobs: p.store.Jobs, Videos: p.store.Videos, Tracks: p.store.Tracks, Bus: p.bus,
		AuthURL: authURL, AuthTransport: direct, Verify: verifier.Verify,
		Quota: p.cfg.Quota, MaxUpload: p.cfg.MaxUpload,
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry,
	}), nil
}

func (p *parts) handler(g *gateway.Service, health *serve.Health) http.Handler {
	mux := http.NewServeMux()
	health.Mount(mux, p.registry)
	mux.Handle("/", g.Handler())
	return serve.Observe(mux, p.cfg.Log, p.registry)
}

func (p *parts) converter(t converter.Transcoder) *converter.Service {
	return converter.New(converter.Config{
		Ledger: p.ledger, Bus: p.bus, Videos: p.store.Videos, Tracks: p.store.Tracks,
		Transcoder: t, Slots: p.cfg.Conversions, TempDir: filepath.Join(p.data, "tmp"),
		Log: p.cfg.Log, Now: time.Now, Registerer: p.registry,
	})
}

func (p *parts) notifier() *notifier.Service {
	return notifier.New(notifier.Config{
		Ledger: p.ledger, Bus: p.bus, Tell: notifier.LogNotices(p.cfg.Log), Log: p.cfg.Log, Reconcile: reconcile,
	})
}
