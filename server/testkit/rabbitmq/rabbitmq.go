// Package rabbitmq starts RabbitMQ brokers for tests: on free ports of the
// loopback interface, with their data in a temporary directory, as any user. A
// broker always exits with the test process, even after a panic or kill -9.
package rabbitmq

import (
	"context"
	"errors"
	"net/url"
	"os"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/testkit"
)

// Variable is the environment variable with the URI of a broker to test against
// instead of starting one, such as amqp://user:password@host:port/.
const Variable = "SX_TEST_AMQP_URI"

// EnvContainer names the docker container of the broker that Variable names. Run
// and Start then use that broker, and stop and start the container, instead of
// starting one: only one test may do so at a time.
const EnvContainer = "SX_TEST_AMQP_CONTAINER"

// Shared is the broker that the tests of one package share, started by the
// first that needs it. Its zero value is ready to use.
type Shared struct {
	once   sync.Once
	broker *Broker
	err    error
}

// URI returns the URI of the broker that SX_TEST_AMQP_URI names, or of one that
// it starts, and reports which of them it is.
func (s *Shared) URI(t testing.TB) string {
	t.Helper()
	testkit.SkipShort(t)
	if uri := os.Getenv(Variable); uri != "" {
		s.once.Do(func() { reportNamed(t, uri) })
		return uri
	}
	s.once.Do(func() { s.broker, s.err = Run(context.WithoutCancel(t.Context())) })
	check(t, s.err)
	s.broker.report(t)
	return s.broker.URI()
}

// End stops the broker if it was started. TestMain calls it after the tests.
func (s *Shared) End() error {
	if s.broker == nil {
		return nil
	}
	return s.broker.Close()
}

// Start starts a broker for this test only and stops it at the end of the test.
func Start(t testing.TB) *Broker {
	t.Helper()
	testkit.SkipShort(t)
	b, err := Run(t.Context())
	check(t, err)
	b.report(t)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("ending RabbitMQ: %v", err)
		}
	})
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNotInstalled) {
		testkit.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatalf("starting RabbitMQ: %v", err)
	}
}

func (b *Broker) report(t testing.TB) {
	t.Helper()
	testkit.Report(t, "RabbitMQ: %s", b.From())
}

func reportNamed(t testing.TB, uri string) {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		t.Fatalf("connecting to the RabbitMQ of %s: %v", Variable, err)
	}
	defer func() { _ = conn.Close() }()
	if u, err := url.Parse(uri); err == nil {
		testkit.Report(t, "RabbitMQ: %s, the one of %s, %s", version(conn), Variable, u.Redacted())
	}
}
