package service

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// running is a program while it runs.
type running struct {
	*Program
	registry            *prometheus.Registry
	store, bus, service gate
	handler             atomic.Pointer[http.Handler] // nil until the service is there

	mu    sync.Mutex
	close []func() error // of the parts
}

// run listens at once, so that probes are answered while the parts are waited
// for; then it starts the service and serves until ctx ends. What is under way
// then is ended in good order before the parts are closed.
func (p *Program) run(ctx context.Context, start Start) error {
	r := &running{Program: p, registry: httpserver.NewRegistry()}
	r.store.part, r.bus.part, r.service.part = "MongoDB", "RabbitMQ", "the other parts"
	defer r.closeParts(ctx)
	listener, err := httpserver.Listen(ctx, p.addr)
	if err != nil {
		return err
	}
	checks := maps.Clone(p.Ready)
	checks["service"], checks["store"] = r.service.check, r.store.check
	if p.amqp != nil {
		checks["bus"] = r.bus.check
	}
	health := httpserver.NewHealth(p.log, checks)
	mux := http.NewServeMux()
	health.Mount(mux, r.registry)
	mux.HandleFunc("/", r.answer)
	server := &httpserver.Server{
		Listener: listener, Handler: httpserver.Observe(mux, p.log, r.registry), Health: health, Log: p.log,
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("program", p.Flags.Name()),
		slog.String("addr", listener.Addr().String()), slog.Int("pid", os.Getpid()), slog.String("version", sx.Version))
	return httpserver.Group{
		server.Run,
		func(ctx context.Context) error { return r.work(ctx, start) },
	}.Run(ctx)
}

// work waits for the parts and runs the service.
func (r *running) work(ctx context.Context, start Start) error {
	parts, err := r.connect(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // stopped while it waited
	}
	if err != nil {
		return err
	}
	service, err := start(ctx, parts)
	if err != nil {
		return err
	}
	handler := service.Handler
	if handler == nil {
		handler = httpserver.Routes(http.NewServeMux())
	}
	r.handler.Store(&handler)
	r.service.open(func(context.Context) error { return nil })
	r.log.LogAttrs(ctx, slog.LevelInfo, "started", slog.String("program", r.Flags.Name()))
	return service.Run(ctx)
}

// connect waits for the parts, side by side.
func (r *running) connect(ctx context.Context) (Parts, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := Parts{Registry: r.registry, Log: r.log}
	group, ctx := errgroup.WithContext(ctx)
	waited := []*gate{&r.store}
	group.Go(func() (err error) {
		if parts.Store, err = r.openStore(ctx); err == nil {
			r.closeAtEnd(parts.Store.Close)
			r.store.open(parts.Store.Ping)
		}
		return err
	})
	if r.amqp != nil {
		waited = append(waited, &r.bus)
		group.Go(func() error {
			messages, err := r.openBus(ctx)
			if err == nil {
				r.closeAtEnd(messages.Close)
				r.bus.open(messages.Ping)
				parts.Bus = messages
			}
			return err
		})
	}
	go r.tellWaiting(ctx, waited...)
	if err := group.Wait(); err != nil {
		return Parts{}, err
	}
	if r.amqp != nil {
		parts.Updater = &jobs.Updater{Jobs: parts.Store.Jobs, Bus: parts.Bus, Log: r.log, Now: time.Now}
	}
	return parts, nil
}

func (r *running) closeAtEnd(end func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close = append(r.close, end)
}

// answer passes a request to the service, or says that there is none yet.
func (r *running) answer(w http.ResponseWriter, req *http.Request) {
	if h := r.handler.Load(); h != nil {
		(*h).ServeHTTP(w, req)
		return
	}
	api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the server is starting").WithHint("try again in a moment"))
}

func (r *running) closeParts(ctx context.Context) {
	for _, end := range r.close {
		if err := end(); err != nil {
			r.log.WarnContext(ctx, "a part was not left in good order", "error", err)
		}
	}
}
