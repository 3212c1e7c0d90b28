package notifier_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	var down atomic.Bool
	down.Store(true)
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	made := s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	first := r.next()
	d := s.waitFor("ada", "it was tried", failedAttempts(1))
	if _, err := s.as("ada").Replay(t.Context(), d.ID); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("a pending delivery: %v", err)
	}
	down.Store(false)
	for d.State == sx.DeliveryPending {
		f.advance(d.NextTry.Sub(f.now()))
		d = s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
	}
	r.next()

	again, err := s.as("ada").Replay(t.Context(), d.ID)
	if err != nil || again.ID != d.ID || again.State != sx.DeliveryPending || again.Tries != 0 {
		t.Fatalf("got %+v, %v", again, err)
	}
	second := r.next()
	if second.id != first.id || string(second.body) != string(first.body) {
		t.Errorf("sent %s %s and then %s %s", first.id, first.body, second.id, second.body)
	}
	verify(t, second, made.Secret)
	s.waitFor("ada", "it is delivered again", in(sx.DeliveryDelivered))

	if _, err := s.as("bob").Replay(t.Context(), d.ID); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("another's delivery: %v", err)
	}
	if err := s.as("ada").RemoveWebhook(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.as("ada").Replay(t.Context(), d.ID); sx.CodeOf(err) != sx.CodeConflict || !strings.Contains(err.Error(), "removed") {
		t.Errorf("a removed webhook: %v", err)
	}
	r.wantNoMore()
}
