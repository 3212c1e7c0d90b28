package acceptance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
)

// notifications records the requests to the users' webhook.
type notifications struct {
	t   testing.TB
	url string

	mu   sync.Mutex
	ids  map[string]bool // of the distinct notifications
	jobs map[string]bool
	all  int
}

// receive starts a receiver for the webhook.
func receive(t testing.TB) *notifications {
	t.Helper()
	n := &notifications{t: t, ids: map[string]bool{}, jobs: map[string]bool{}}
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func (n *notifications) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e api.WebhookEvent
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.Data.Job == nil {
		n.t.Errorf("posted something other than a notification: %v", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[r.Header.Get("webhook-id")], n.jobs[e.Data.Job.ID] = true, true
	n.all++
}

// count returns the numbers of notified jobs, distinct notifications and requests.
func (n *notifications) count() (jobs, notifications, requests int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.jobs), len(n.ids), n.all
}
