// Package rabbittest starts RabbitMQ brokers for tests: on ports of their own
// that only this machine reaches, with their own data in a temporary folder,
// whoever runs the tests. A broker ends with the test process in every case,
// by a panic or kill -9 too.
package rabbittest

import (
	"context"
	"os"
	"sync"
	"testing"
)

// Variable names a broker to test against instead of starting one.
const Variable = "SX_TEST_AMQP_URI"

// Shared is the broker that the tests of one package share, started by the
// first that asks for it. Its zero value is ready.
type Shared struct {
	once   sync.Once
	broker *Broker
	err    error
}

// URI is the broker that SX_TEST_AMQP_URI names, or one of our own, as
// amqp://user:password@host:port/. It logs which of them it is.
func (s *Shared) URI(t testing.TB) string {
	t.Helper()
	if uri := os.Getenv(Variable); uri != "" {
		t.Logf("RabbitMQ: the one that %s names", Variable)
		return uri
	}
	s.once.Do(func() { s.broker, s.err = start(context.WithoutCancel(t.Context())) })
	if s.err != nil {
		t.Fatalf("starting RabbitMQ: %v", s.err)
	}
	t.Logf("RabbitMQ: started by the tests, %s", s.broker.program.server)
	return s.broker.URI()
}

// End ends the broker if there is one: TestMain calls it after the tests.
func (s *Shared) End() error {
	if s.broker == nil {
		return nil
	}
	return s.broker.remove()
}

// Start starts a broker for this test alone, which ends it.
func Start(t testing.TB) *Broker {
	t.Helper()
	b, err := start(t.Context())
	if err != nil {
		t.Fatalf("starting RabbitMQ: %v", err)
	}
	t.Cleanup(func() {
		if err := b.remove(); err != nil {
			t.Errorf("ending RabbitMQ: %v", err)
		}
	})
	return b
}
