// Package standalone is the local mode: the four services in one process, with local
// files as the store and in-process messages as the bus.
package standalone

import (
	"context"
	"crypto/rand"
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
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Config is the configuration of the server.
type Config struct {
	Addr string // host:port to listen on; port 0 selects a free port
	Data string // the data directory
	Load converter.Load
	// FFmpegUser is the user that ffmpeg runs as.
	FFmpegUser converter.User
	Gateway    gateway.Settings
	Reserve    int64 // bytes of the disk that new uploads leave free
	// Registration says who may create an account besides the owner's.
	Registration auth.Registration
	// OwnerPassword becomes the password of the owner's account if that has none. It is
	// needed only if other machines can reach Addr.
	OwnerPassword string
	Notify        notifier.Settings
	Log           *slog.Logger
}

// reconcileInterval is the interval between two checks for lost wake-up messages and
// due deliveries. Within one process, messages are lost only when it exits, and
// the first check runs at the start.
const reconcileInterval = 5 * time.Second

// Run serves until ctx ends, then releases the running jobs and returns. Errors that
// an operator can cause (address or directory in use, no ffmpeg) are *sx.Errors.
func Run(ctx context.Context, cfg Config) error {
	return serve(ctx, cfg, httpserver.NewRegistry())
}

func serve(ctx context.Context, cfg Config, registry *prometheus.Registry) error {
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return fmt.Errorf("resolve the path of the data directory: %w", err)
	}
	stored, err := localstore.Open(ctx, localstore.Config{Dir: data, Log: cfg.Log})
	if err != nil {
		return err
	}
	defer func() { _ = stored.Close() }()
	transcoder, err := ffmpeg.New(ctx, ffmpeg.Config{
		Encoders: cfg.Load.Encoders, MaxData: cfg.Load.Memory, Sandbox: sandbox.Config{UID: cfg.FFmpegUser.UID, GID: cfg.FFmpegUser.GID},
		Log: cfg.Log.With("service", "converter"), Registerer: registry,
	})
	if err != nil {
		return err
	}
	listener, err := httpserver.Listen(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	messages := membus.New()
	defer func() { _ = messages.Close() }()
	d := &dependencies{cfg: cfg, data: data, store: stored, bus: messages, registry: registry, local: isLoopback(listener)}
	if d.local {
		if d.ownerToken, err = writeOwnerToken(data); err != nil {
			return err
		}
		defer removeOwnerToken(data)
	} else {
		removeOwnerToken(data) // of a crashed server
	}
	d.updater = &jobs.Updater{Jobs: stored.Jobs, Bus: messages, Log: cfg.Log, Now: time.Now, Metrics: jobs.NewMetrics(registry)}
	// The data directory is locked, so the converter that held these jobs is not running.
	if err := converter.ReleaseAll(ctx, d.updater); err != nil {
		return fmt.Errorf("take back the jobs of the last run: %w", err)
	}

	storebackup.Register(ctx, stored.Tasks, registry)
	apis, err := d.newAPIs()
	if err != nil {
		return err
	}
	owner, err := d.ensureOwner(ctx, apis)
	if err != nil {
		return err
	}
	health := httpserver.NewHealth(cfg.Log, map[string]func(context.Context) error{"store": stored.Ping, "bus": messages.Ping})
	backups := rand.Text()
	server := &httpserver.Server{
		Listener: listener, Handler: d.handler(apis.gateway, health, backups), Health: health, Log: cfg.Log,
		MaxPerAddress: httpserver.ClientConnections,
	}
	file := instanceFile{Addr: listener.Addr().String(), Instance: health.Instance(), Owner: owner.Name, Sandbox: transcoder.Protection(), Backup: backups}
	if err := file.write(data); err != nil {
		return err
	}
	defer removeInstanceFile(data)
	d.log("gateway").InfoContext(ctx, "serving", "url", "http://"+file.Addr, "data", data, "version", sx.Version)
	return httpserver.Group{
		server.Run,
		apis.auth.Run,
		apis.gateway.Run,
		apis.notifier.Run,
		d.converter(transcoder).Run,
		stored.Format.Refused,
	}.Run(ctx)
}

// dependencies are what the services are created with.
type dependencies struct {
	cfg      Config
	data     string
	store    store.Store
	bus      bus.Bus
	updater  *jobs.Updater
	registry *prometheus.Registry
	// local says that only this machine can reach the server.
	local      bool
	ownerToken string // "" unless local
}

// apis are the services that have an API.
type apis struct {
	auth     *auth.Service
	notifier *notifier.Service
	gateway  *gateway.Service
}

// newAPIs creates auth, the notifier, which calls auth, and the gateway, which calls
// both. The calls are HTTP as in a cluster, but in-process.
func (d *dependencies) newAPIs() (a apis, err error) {
	keys, err := token.LoadKeys(filepath.Join(d.data, "keys"), time.Now())
	if err != nil {
		return a, err
	}
	signer, err := token.NewSigner(keys, time.Now)
	if err != nil {
		return a, err
	}
	a.auth, err = auth.New(auth.Config{
		Users: d.store.Users, Sessions: d.store.Sessions,
		Invitations: d.store.Invitations, Bindings: d.store.Bindings, PersonalTokens: d.store.PersonalTokens, Audit: d.store.Audit, Limits: d.store.Limits, Erasures: d.store.Erasures, Tasks: d.store.Tasks, Format: d.store.Format, Signer: signer,
		Registration: d.cfg.Registration, OwnerToken: d.ownerToken,
		Log: d.log("auth"), Now: time.Now, Registerer: d.registry, TrustForwarded: true,
	})
	if err != nil {
		return a, err
	}
	toAuth := httpserver.HandlerTransport(a.auth.Handler())
	authURL := &url.URL{Scheme: "http", Host: "auth"}
	a.notifier, err = notifier.New(notifier.Config{
		Updater: d.updater, Bus: d.bus, NotificationSettings: d.store.NotificationSettings, Deliveries: d.store.Deliveries, Counters: d.store.Counters, Erasures: d.store.Erasures, Tasks: d.store.Tasks,
		AuthURL: authURL, AuthTransport: toAuth, Settings: d.cfg.Notify,
		Log: d.log("notifier"), Now: time.Now, ReconcileInterval: reconcileInterval, Registerer: d.registry,
	})
	if err != nil {
		return a, err
	}
	verifier := token.NewVerifier(
		token.FetchURL(&http.Client{Transport: toAuth}, authURL.String()+api.PathKeys), time.Now)
	monitor := space.New(space.Config{
		Space: d.store.Space, Tasks: d.store.Tasks, Reserve: space.Fixed(d.cfg.Reserve),
		Log: d.log("gateway"), Now: time.Now, Registerer: d.registry,
	})
	a.gateway = gateway.New(gateway.Config{
		Updater: d.updater, Jobs: d.store.Jobs, Videos: d.store.Videos, Tracks: d.store.Tracks, Conversions: d.store.Conversions, IdempotencyKeys: d.store.IdempotencyKeys, Feeds: d.store.Feeds, Tasks: d.store.Tasks, Limits: d.store.Limits, Erasures: d.store.Erasures, Bus: d.bus,
		AuthURL: authURL, AuthTransport: toAuth, Verify: verifier.Verify,
		NotifierURL: &url.URL{Scheme: "http", Host: "notifier"}, NotifierTransport: httpserver.HandlerTransport(a.notifier.Handler()),
		Space: monitor, Settings: d.cfg.Gateway,
		Log: d.log("gateway"), Now: time.Now, Registerer: d.registry,
	})
	return a, nil
}

func (d *dependencies) handler(g *gateway.Service, health *httpserver.Health, backups string) http.Handler {
	mux := http.NewServeMux()
	health.MountAlive(mux)
	monitoring := http.NewServeMux()
	health.Mount(monitoring, d.registry)
	mux.Handle("GET "+api.PathReady, httpserver.OnlyThisMachine(monitoring))
	mux.Handle("GET "+api.PathMetrics, httpserver.OnlyThisMachine(monitoring))
	mux.Handle("GET "+api.PathLocalBackup, d.backupHandler(backups))
	mux.Handle("/", g.Handler())
	var h http.Handler = mux
	if d.local {
		h = onlyLocalHosts(mux)
	}
	return httpserver.Observe(h, d.log("gateway"), d.registry)
}

// log returns the log of a service. Its lines name the service, because all services share
// one log.
func (d *dependencies) log(service string) *slog.Logger { return d.cfg.Log.With("service", service) }

func (d *dependencies) converter(t converter.Transcoder) *converter.Service {
	return converter.New(converter.Config{
		Updater: d.updater, Bus: d.bus, Videos: d.store.Videos, Tracks: d.store.Tracks, Tasks: d.store.Tasks, Limits: d.store.Limits,
		Transcoder: t, Conversions: d.cfg.Load.Conversions,
		Log: d.log("converter"), Now: time.Now, Registerer: d.registry,
	})
}
