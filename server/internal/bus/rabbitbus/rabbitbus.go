// Package rabbitbus is the message port on RabbitMQ, from 3.10 to 4.x.
//
// Two connections are kept up without end, one publishes and one receives, so
// that a broker that holds publishers back (it is short of memory or disk)
// still takes acknowledgements. A lost connection is replaced by a new one with
// new channels: a delivery of the old one can then not be acknowledged any
// more, and the broker hands its message out again.
//
// The topology is declared by every connection when it comes up, and when a
// queue turns out to be missing; see topology.go.
package rabbitbus

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// Config says which broker, and how this program appears there.
type Config struct {
	// URL is amqp://user:password@host:5672/vhost, or amqps:// for TLS with the
	// system's certificate authorities; ?cacertfile=, certfile=, keyfile= and
	// server_name_indication= change that. Its password is never logged.
	URL string
	// Setting is what the operator knows URL by, such as GATEWAY_AMQP_URL.
	// Hints name it.
	Setting string
	// Name is the program's name, shown by the broker with its connections.
	Name string
	// Prefix begins the name of every exchange and queue, so that several
	// installations can share a virtual host. "" means "sx".
	Prefix string
	Log    *slog.Logger

	renew time.Duration // renewEvery when 0; tests cannot wait so long
}

// Bus is a bus.Bus on RabbitMQ.
type Bus struct {
	names      names
	app        string
	log        *slog.Logger
	renew      time.Duration
	publishing *link[*publisher]
	receiving  *link[*receiver]
	tasks      *tasks
	end        context.CancelFunc
	closeOnce  sync.Once
}

var _ bus.Bus = (*Bus)(nil)

// errClosed is what a closed bus answers.
var errClosed = sx.NewError(sx.CodeUnavailable, "the message bus is closed")

// Open connects to the broker. It waits for one that is not up yet until ctx
// ends, and then returns an *sx.Error of code unavailable. What only a person
// can mend it returns at once, as an *sx.Error of code invalid whose hint names
// the setting: a malformed URL, a refused login, a virtual host that is not
// there, a certificate that is not trusted, a queue that someone declared
// differently. Once Open has succeeded such a refusal is logged and tried again
// like any other failure, for it may well be a password that is being rotated.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	b := &Bus{
		names: newNames(cfg.Prefix),
		app:   cfg.Name,
		log:   cfg.Log,
		renew: cmp.Or(cfg.renew, renewEvery),
		tasks: &tasks{},
		end:   end,
	}
	back := newBell()
	p, r := *d, *d // each link counts its own refused logins
	b.publishing = newLink("publish", cfg.Log, back, func(ctx context.Context) (*publisher, error) {
		return openPublisher(ctx, &p, b)
	})
	b.receiving = newLink("receive", cfg.Log, back, func(ctx context.Context) (*receiver, error) {
		return openReceiver(ctx, &r, b)
	})
	b.tasks.run(func() { b.publishing.keepUp(life) })
	b.tasks.run(func() { b.receiving.keepUp(life) })

	for _, first := range []func(context.Context) error{b.publishing.first, b.receiving.first} {
		if err := first(ctx); err != nil {
			_ = b.Close()
			return nil, d.explain(err)
		}
	}
	return b, nil
}

// Ping implements bus.Bus: both connections are up. It does not ask the broker,
// whose heartbeats say within 15 s that it has gone.
func (b *Bus) Ping(context.Context) error {
	if _, err := b.publishing.now(); err != nil {
		return err
	}
	_, err := b.receiving.now()
	return err
}

// Close implements bus.Bus. It waits until both connections are closed, a
// second at most with a broker that does not answer.
func (b *Bus) Close() error {
	b.closeOnce.Do(func() {
		b.end()
		b.tasks.wait()
	})
	return nil
}
