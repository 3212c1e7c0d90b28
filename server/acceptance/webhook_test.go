package acceptance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
)

// notices is what was posted to the people's webhook.
type notices struct {
	t   *testing.T
	url string

	mu   sync.Mutex
	ids  map[string]bool // each is one notice, however often it comes
	jobs map[string]bool
	all  int
}

// receive starts the webhook's receiver.
func receive(t *testing.T) *notices {
	t.Helper()
	n := &notices{t: t, ids: map[string]bool{}, jobs: map[string]bool{}}
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func (n *notices) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e api.WebhookEvent
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.Data.Job == nil {
		n.t.Errorf("posted something that is no notice: %v", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[r.Header.Get("webhook-id")], n.jobs[e.Data.Job.ID] = true, true
	n.all++
}

// count gives how many jobs were told of, by how many notices, in how many posts.
func (n *notices) count() (jobs, notices, posts int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.jobs), len(n.ids), n.all
}
