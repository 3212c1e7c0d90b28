package service

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
)

const (
	// retry is the pause before a part that is not up is asked again.
	retry = time.Second
	// patience is how long parts are waited for before the log says so, and
	// remind the pause before it says so again.
	patience = 2 * time.Second
	remind   = 30 * time.Second
)

// gate is the check of something that is waited for first.
type gate struct {
	part string // what is waited for
	ping atomic.Pointer[func(ctx context.Context) error]
	last atomic.Pointer[error] // why it is not there yet
}

func (g *gate) open(ping func(ctx context.Context) error) { g.ping.Store(&ping) }

func (g *gate) check(ctx context.Context) error {
	ping := g.ping.Load()
	if ping == nil {
		return sx.NewError(sx.CodeUnavailable, "waiting for %s", g.part)
	}
	return (*ping)(ctx)
}

// openStore connects to MongoDB, waiting for one that is not up yet.
func (r *running) openStore(ctx context.Context) (store.Store, error) {
	for {
		opened, err := mongostore.Open(ctx, mongostore.Config{
			URI: r.mongo.value, Database: r.mongoDatabase, Log: r.log, Now: time.Now,
		})
		if err == nil || sx.CodeOf(err) != sx.CodeUnavailable {
			return opened, err
		}
		r.store.last.Store(&err)
		if !pause(ctx, retry) {
			return store.Store{}, ctx.Err()
		}
	}
}

// openBus connects to RabbitMQ. The bus itself waits for a broker that is not
// up yet, and logs why it has no connection.
func (r *running) openBus(ctx context.Context) (*rabbitbus.Bus, error) {
	return rabbitbus.Open(ctx, rabbitbus.Config{
		URL: r.amqp.value, Setting: "--" + r.amqp.name, Name: r.Flags.Name(), Log: r.log,
	})
}

// tellWaiting logs now and then what is waited for, until ctx ends.
func (r *running) tellWaiting(ctx context.Context, gates ...*gate) {
	for wait := patience; pause(ctx, wait); wait = remind {
		for _, g := range gates {
			if g.ping.Load() != nil {
				continue
			}
			attrs := []slog.Attr{slog.String("for", g.part)}
			if last := g.last.Load(); last != nil {
				attrs = append(attrs, slog.String("error", httpserver.Cause(*last)))
			}
			r.log.LogAttrs(ctx, slog.LevelWarn, "waiting", attrs...)
		}
	}
}

// pause waits; it reports false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
