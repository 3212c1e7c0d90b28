package notifier_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// deaf is a store that cannot record how a delivery went, which is what a crash
// after sending comes to.
type deaf struct {
	store.Deliveries
	results chan sx.Delivery
}

func (d deaf) Replace(ctx context.Context, v sx.Delivery) error {
	if v.State == sx.DeliveryPending {
		return d.Deliveries.Replace(ctx, v)
	}
	d.results <- v
	<-ctx.Done()
	return ctx.Err()
}

func TestCrashAfterSending(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cfg := h.config()
	results := make(chan sx.Delivery, 1)
	cfg.Deliveries = deaf{h.store.Deliveries, results}
	s := h.start(cfg)
	r := receive(t, nil)
	made := s.hook("ada", r.url)
	j := h.end("ada", "talk.mp4", nil)
	first := r.next()
	<-results
	h.told(j)
	s.stop()
	cfg = h.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = h.start(cfg)
	if d := s.deliveries("ada")[0]; d.State != sx.DeliveryPending || !d.NextTry.After(h.now()) {
		t.Fatalf("after the crash: %+v", d)
	}
	r.none()
	h.advance(3 * time.Minute)
	second := r.next()
	if first.id != second.id || string(first.body) != string(second.body) {
		t.Errorf("sent %s %s and then %s %s", first.id, first.body, second.id, second.body)
	}
	verified(t, second, made.Secret)
	s.until("ada", "it is delivered", in(sx.DeliveryDelivered))
	r.none()
}

// TestStop: a try that the end of the service cuts off is made again by the next.
func TestStop(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(h.config())
	release := make(chan struct{})
	r := receive(t, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-release:
		case <-req.Context().Done():
		}
	})
	s.hook("ada", r.url)
	h.end("ada", "talk.mp4", nil)
	first := r.next()
	begin := time.Now()
	s.stop()
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the end took %v", took)
	}
	close(release)
	cfg := h.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = h.start(cfg)
	if second := r.next(); second.id != first.id {
		t.Errorf("sent %s and then %s", first.id, second.id)
	}
	if d := s.until("ada", "it is delivered", in(sx.DeliveryDelivered)); d.Tries != 1 {
		t.Errorf("the delivery is %+v", d)
	}
}

func TestOldDeliveriesAreRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(h.config())
	r := receive(t, nil)
	s.hook("ada", r.url)
	h.end("ada", "talk.mp4", nil)
	s.until("ada", "it is delivered", in(sx.DeliveryDelivered))
	s.stop()
	h.advance(31 * 24 * time.Hour)
	cfg := h.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = h.start(cfg)
	eventually(t, "nothing is left", func() bool { return len(s.deliveries("ada")) == 0 }, func() any { return s.deliveries("ada") })
}
