package notifier_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// unrecordedResults is a store that does not store the results of deliveries, as if
// the process had crashed after sending.
type unrecordedResults struct {
	store.Deliveries
	results chan sx.Delivery
}

func (d unrecordedResults) Replace(ctx context.Context, v sx.Delivery) error {
	if v.State == sx.DeliveryPending {
		return d.Deliveries.Replace(ctx, v)
	}
	d.results <- v
	<-ctx.Done()
	return ctx.Err()
}

func TestCrashAfterSending(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config()
	results := make(chan sx.Delivery, 1)
	cfg.Deliveries = unrecordedResults{f.store.Deliveries, results}
	s := f.start(cfg)
	r := receive(t, nil)
	made := s.addWebhook("ada", r.url)
	j := f.finishJob("ada", "talk.mp4", nil)
	first := r.next()
	<-results
	f.waitForNotified(j)
	s.stop()
	cfg = f.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = f.start(cfg)
	if d := s.deliveries("ada")[0]; d.State != sx.DeliveryPending || !d.NextTry.After(f.now()) {
		t.Fatalf("after the crash: %+v", d)
	}
	r.wantNoMore()
	f.advance(3 * time.Minute)
	second := r.next()
	if first.id != second.id || string(first.body) != string(second.body) {
		t.Errorf("sent %s %s and then %s %s", first.id, first.body, second.id, second.body)
	}
	verify(t, second, made.Secret)
	s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
	r.wantNoMore()
}

// TestStop checks that the next process repeats an attempt that a shutdown
// interrupted.
func TestStop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	release := make(chan struct{})
	r := receive(t, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-release:
		case <-req.Context().Done():
		}
	})
	s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	first := r.next()
	start := time.Now()
	s.stop()
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	close(release)
	cfg := f.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = f.start(cfg)
	if second := r.next(); second.id != first.id {
		t.Errorf("sent %s and then %s", first.id, second.id)
	}
	if d := s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered)); d.Tries != 1 {
		t.Errorf("the delivery is %+v", d)
	}
}

func TestOldDeliveriesAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, nil)
	s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
	s.stop()
	f.advance(31 * 24 * time.Hour)
	cfg := f.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = f.start(cfg)
	testkit.Eventually(t, "removal of old deliveries", func() bool { return len(s.deliveries("ada")) == 0 }, func() any { return s.deliveries("ada") })
}
