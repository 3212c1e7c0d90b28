package acceptance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// receiver receives the webhook requests of one script.
type receiver struct {
	mu     sync.Mutex
	events []received
}

// receiverKey is the key of the script's receiver in its values.
type receiverKey struct{}

func receiverOf(ts *testscript.TestScript) *receiver {
	r, ok := ts.Value(receiverKey{}).(*receiver)
	if !ok {
		ts.Fatalf("the script has no receiver")
	}
	return r
}

type received struct {
	ID        string          `json:"id"`
	Signature string          `json:"signature"`
	Body      json.RawMessage `json:"body"`
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil || !json.Valid(body) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, received{req.Header.Get("webhook-id"), req.Header.Get("webhook-signature"), body})
}

// startReceiver starts the receiver and puts its URL into $HOOK.
func startReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: receiver")
	}
	server := httptest.NewServer(receiverOf(ts))
	ts.Defer(server.Close)
	ts.Setenv("HOOK", server.URL+"/hook")
}

// webhooks waits until NUMBER events were received, and writes them to a file as a JSON
// array: webhooks NUMBER FILE.
func webhooks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: webhooks NUMBER FILE")
	}
	r := receiverOf(ts)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	tick, enough := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		r.mu.Lock()
		raw, err := json.Marshal(r.events)
		n := len(r.events)
		r.mu.Unlock()
		ts.Check(err)
		if n >= want {
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
			if n > want {
				ts.Fatalf("%d events were received, want %d", n, want)
			}
			return
		}
		select {
		case <-tick.C:
		case <-enough:
			ts.Fatalf("%d events were received, want %d", n, want)
		}
	}
}
