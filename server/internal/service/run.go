package service

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/internal/tracing/otlp"
	"github.com/soundextract/sx/server/sx"
)

const (
	// connectRetryDelay is the delay between two attempts to connect to a dependency.
	connectRetryDelay = time.Second
	// firstWaitingLog is the time after which the log lists the missing
	// dependencies, and waitingLogInterval is the interval at which it repeats
	// them.
	firstWaitingLog    = 2 * time.Second
	waitingLogInterval = 30 * time.Second
	// drainTimeout is less than the grace period that the chart gives the programs.
	drainTimeout = 30 * time.Second
)

// running is a running program.
type running struct {
	*Program
	registry            *prometheus.Registry
	store, bus, service readiness
	handler             atomic.Pointer[http.Handler] // nil until the service is started

	mu      sync.Mutex
	closers []func() error // of the dependencies
}

// readiness is the readiness check of a dependency that the program waits for
// on startup.
type readiness struct {
	waitsFor string
	check    atomic.Pointer[func(ctx context.Context) error] // nil until the dependency is ready
	lastErr  atomic.Pointer[error]                           // of the last attempt to connect
}

func (r *readiness) setReady(check func(ctx context.Context) error) { r.check.Store(&check) }

func (r *readiness) run(ctx context.Context) error {
	check := r.check.Load()
	if check == nil {
		return sx.NewError(sx.CodeUnavailable, "waiting for %s", r.waitsFor)
	}
	return (*check)(ctx)
}

// run listens immediately, so that probes get responses while the program waits
// for its dependencies. Then it starts the service and serves until ctx ends.
// Before it closes the dependencies, the service drains.
func (p *Program) run(ctx context.Context, start Start) error {
	r := &running{Program: p, registry: httpserver.NewRegistry()}
	r.store.waitsFor, r.bus.waitsFor, r.service.waitsFor = "MongoDB", "RabbitMQ", "the dependencies"
	defer r.closeAll(ctx)
	listener, err := p.listen(ctx, p.addr)
	if err != nil {
		return err
	}
	checks := maps.Clone(p.Ready)
	checks["service"], checks["store"] = r.service.run, r.store.run
	if p.amqp.uri != nil {
		checks["bus"] = r.bus.run
	}
	health := httpserver.NewHealth(p.log, checks)
	stopTracing, err := otlp.Start(ctx, p.Flags.Name(), health.Instance(), p.log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer stopTracing()
	mux := http.NewServeMux()
	group := httpserver.Group{func(ctx context.Context) error { return r.runService(ctx, start) }}
	attrs := []slog.Attr{
		slog.String("program", p.Flags.Name()), slog.String("addr", listener.Addr().String()),
		slog.Int("pid", os.Getpid()), slog.String("version", sx.Version),
	}
	if p.metricsAddr == "" {
		health.Mount(mux, r.registry)
	} else {
		monitoring, err := p.listen(ctx, p.metricsAddr)
		if err != nil {
			_ = listener.Close()
			return err
		}
		attrs = append(attrs, slog.String("metrics_addr", monitoring.Addr().String()))
		group = append(group, r.monitoring(monitoring, health).Run)
		health.MountAlive(mux)
		if !p.Public {
			health.MountReady(mux)
		}
	}
	mux.HandleFunc("/", r.serveHTTP)
	server := &httpserver.Server{
		Listener: listener, Handler: httpserver.Observe(mux, p.log, r.registry), Health: health, Log: p.log,
		MaxPerAddress: p.MaxPerAddress, DrainTimeout: cmp.Or(p.DrainTimeout, drainTimeout),
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "serving", attrs...)
	return append(group, server.Run).Run(ctx)
}

func (p *Program) listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := httpserver.Listen(ctx, addr)
	if err == nil && p.tls.Serves() {
		listener = tls.NewListener(listener, p.tls.Server())
	}
	return listener, err
}

// monitoring returns the server of --metrics-addr.
func (r *running) monitoring(listener net.Listener, health *httpserver.Health) *httpserver.Server {
	mux := http.NewServeMux()
	health.Mount(mux, r.registry)
	return &httpserver.Server{Listener: listener, Handler: httpserver.Routes(mux), Health: health, Log: r.log}
}

// serveHTTP passes requests to the service once it has started.
func (r *running) serveHTTP(w http.ResponseWriter, req *http.Request) {
	if h := r.handler.Load(); h != nil {
		(*h).ServeHTTP(w, req)
		return
	}
	api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the server is starting").WithHint("retry in a moment"))
}

// runService waits for the dependencies and runs the service.
func (r *running) runService(ctx context.Context, start Start) error {
	deps, err := r.connect(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	service, err := start(ctx, deps)
	if err != nil {
		return err
	}
	handler := service.Handler
	if handler == nil {
		handler = httpserver.Routes(http.NewServeMux())
	}
	r.handler.Store(&handler)
	r.service.setReady(func(context.Context) error { return nil })
	r.log.LogAttrs(ctx, slog.LevelInfo, "started", slog.String("program", r.Flags.Name()))
	return httpserver.Group{service.Run, deps.Store.Format.Refused}.Run(ctx)
}

// connect connects to all dependencies concurrently, waiting for those that are not
// available yet.
func (r *running) connect(ctx context.Context) (Dependencies, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	deps := Dependencies{Registry: r.registry, Log: r.log}
	group, ctx := errgroup.WithContext(ctx)
	waiting := []*readiness{&r.store}
	group.Go(func() (err error) {
		if deps.Store, err = r.openStore(ctx); err == nil {
			r.closeAtEnd(deps.Store.Close)
			r.store.setReady(deps.Store.Ping)
		}
		return err
	})
	if r.amqp.uri != nil {
		waiting = append(waiting, &r.bus)
		group.Go(func() error {
			messages, err := r.openBus(ctx)
			if err == nil {
				r.closeAtEnd(messages.Close)
				r.bus.setReady(messages.Ping)
				deps.Bus = messages
			}
			return err
		})
	}
	go r.logWaiting(ctx, waiting...)
	if err := group.Wait(); err != nil {
		return Dependencies{}, err
	}
	if r.amqp.uri != nil {
		deps.Updater = &jobs.Updater{Jobs: deps.Store.Jobs, Bus: deps.Bus, Log: r.log, Now: time.Now, Metrics: jobs.NewMetrics(r.registry)}
	}
	return deps, nil
}

// openStore connects to MongoDB. It tries again until it succeeds or only an operator can
// help: a full disk, for example, may have space again.
func (r *running) openStore(ctx context.Context) (store.Store, error) {
	for {
		opened, err := mongostore.Open(ctx, mongostore.Config{
			URI: r.mongo.value(), Database: r.mongoDatabase, Service: r.Flags.Name(), TLS: r.clientTLS(),
			Log: r.log, Now: time.Now,
		})
		switch {
		case err == nil, sx.CodeOf(err) == sx.CodeInvalid, sx.CodeOf(err) == sx.CodeStoredFormat:
			return opened, err
		}
		r.store.lastErr.Store(&err)
		if err := backoff.Sleep(ctx, connectRetryDelay); err != nil {
			return store.Store{}, err
		}
	}
}

// clientTLS returns the TLS configuration of connections, nil without --tls-ca: the
// options of the URIs apply then.
func (r *running) clientTLS() func(host string) (*tls.Config, error) {
	if r.certificates.ca == "" {
		return nil
	}
	return r.tls.Client
}

// openBus connects to RabbitMQ. The bus itself retries while the broker is
// unavailable, and logs why.
func (r *running) openBus(ctx context.Context) (*rabbitbus.Bus, error) {
	return rabbitbus.Open(ctx, rabbitbus.Config{
		URL: r.amqp.value(), Setting: "--" + r.amqp.uri.name, Name: r.Flags.Name(), TLS: r.clientTLS(), Log: r.log,
	})
}

// logWaiting logs which dependencies are missing, until ctx ends.
func (r *running) logWaiting(ctx context.Context, waiting ...*readiness) {
	for delay := firstWaitingLog; backoff.Sleep(ctx, delay) == nil; delay = waitingLogInterval {
		for _, dep := range waiting {
			if dep.check.Load() != nil {
				continue
			}
			attrs := []slog.Attr{slog.String("for", dep.waitsFor)}
			if err := dep.lastErr.Load(); err != nil {
				attrs = append(attrs, slog.String("error", httpserver.Cause(*err)))
			}
			r.log.LogAttrs(ctx, slog.LevelWarn, "waiting", attrs...)
		}
	}
}

func (r *running) closeAtEnd(closer func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closers = append(r.closers, closer)
}

func (r *running) closeAll(ctx context.Context) {
	for _, closer := range r.closers {
		if err := closer(); err != nil {
			r.log.WarnContext(ctx, "closing a dependency failed", "error", err)
		}
	}
}
