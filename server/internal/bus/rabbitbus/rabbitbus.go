// Package rabbitbus is the message port on RabbitMQ, from 3.10 to 4.x.
//
// A message only wakes up a receiver, and a lost one changes nothing but time:
// the reconcilers publish again. So the package uses only what makes wake-ups
// prompt and keeps failures from lasting longer than the broker's outage:
//
//   - Publisher confirms: Publish knows whether the broker has the message, and
//     publishes again over the next connection if the last one was lost. They
//     also provide backpressure when the broker is slow.
//   - Quorum queues: a node of the broker can fail without stopping the queues.
//     They are durable, and their delivery limit moves a message that fails
//     repeatedly to a queue of dead letters, for operators.
//   - One message per subscription: a busy converter never holds a message that
//     an idle one could work on.
//   - Two connections: a broker that is short of memory or disk stops reading
//     from a connection that publishes. Acknowledgements use the other one, so
//     that its queues can drain.
//   - Declaring missing queues again: a deleted queue costs its messages, not
//     the service.
//
// It does not use mandatory publishing (receivers and Depth notice a missing
// queue as well), transactions, or the client library's own recovery, which
// would acknowledge old delivery tags on a new channel. See
// docs/decisions/0002-rabbitmq-guarantees.md.
package rabbitbus

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

// Config is the configuration of a Bus.
type Config struct {
	// URL is amqp://user:password@host:5672/vhost, or amqps:// for TLS with the
	// system's certificate authorities; ?cacertfile=, certfile=, keyfile= and
	// server_name_indication= change that. Its password is never logged.
	URL string
	// Setting is the name of the setting that URL comes from, such as
	// GATEWAY_AMQP_URL, for hints.
	Setting string
	// Name is the program's name, which the broker shows for its connections.
	Name string
	// Prefix starts the name of every exchange and queue, so that several
	// installations can share a virtual host. "" means "sx".
	Prefix string
	// TLS returns the configuration of a connection to the named host, if the URL
	// requires TLS. nil leaves TLS to the parameters of the URL.
	TLS func(host string) (*tls.Config, error)
	Log *slog.Logger

	renew time.Duration // renewInterval if 0; for tests
}

// Bus is a bus.Bus on RabbitMQ.
type Bus struct {
	names      names
	app        string
	log        *slog.Logger
	renew      time.Duration
	publishing *keeper[*publisher]
	receiving  *keeper[*receiver]
	tasks      *tasks
	cancel     context.CancelFunc // ends the sessions
}

var _ bus.Bus = (*Bus)(nil)

// Open connects to the broker. It waits until ctx ends for a broker that is not
// up yet, and then returns an *sx.Error of code unavailable. A failure that
// needs an operator is returned at once, as an *sx.Error of code invalid whose
// hint names the setting: a malformed URL, a wrong password, a virtual host
// that does not exist, a certificate that is not trusted, a queue with other
// arguments. After Open has succeeded, such a failure is logged and retried
// like any other, because a password rotation may be in progress.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &Bus{
		names:  newNames(cfg.Prefix),
		app:    cfg.Name,
		log:    cfg.Log,
		renew:  cmp.Or(cfg.renew, renewInterval),
		tasks:  &tasks{},
		cancel: cancel,
	}
	p, r := *d, *d // each counts its own refused logins
	b.publishing = newKeeper("publish", cfg.Log, func(ctx context.Context) (*publisher, error) {
		return openPublisher(ctx, &p, b)
	})
	b.receiving = newKeeper("receive", cfg.Log, func(ctx context.Context) (*receiver, error) {
		return openReceiver(ctx, &r, b)
	})
	b.tasks.run(func() { b.publishing.run(life) })
	b.tasks.run(func() { b.receiving.run(life) })

	for _, first := range []func(context.Context) error{b.publishing.first, b.receiving.first} {
		if err := first(ctx); err != nil {
			_ = b.Close()
			return nil, d.openError(err)
		}
	}
	return b, nil
}

// Ping implements bus.Bus. It checks that both connections are up, without a
// request to the broker: missing heartbeats close a connection within 15 s.
func (b *Bus) Ping(context.Context) error {
	if _, err := b.publishing.current(); err != nil {
		return err
	}
	_, err := b.receiving.current()
	return err
}

// Close implements bus.Bus. It waits until both connections are closed, but at
// most a second for a broker that does not respond.
func (b *Bus) Close() error {
	b.cancel()
	b.tasks.wait()
	return nil
}

// errClosed is the error of every call on a closed bus.
var errClosed = sx.NewError(sx.CodeUnavailable, "the message bus is closed")
