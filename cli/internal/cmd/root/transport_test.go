package root_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestTraceparent checks that all requests of a run have the same trace, each with another
// span, and that another run has another trace.
func TestTraceparent(t *testing.T) {
	home(t)
	server := gateway.New(t)
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var parents []string
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		mu.Lock()
		parents = append(parents, r.In.Header.Get("Traceparent"))
		mu.Unlock()
	}}
	front := httptest.NewServer(http.Handler(proxy))
	t.Cleanup(front.Close)
	t.Setenv("SX_SERVER", front.URL)
	traces := func(args ...string) map[string]bool {
		t.Helper()
		parents = nil
		if r := sxIn(t, "correct horse\n", nil, args...); r.code != 0 || len(parents) == 0 {
			t.Fatalf("%q: %+v, %d requests", args, r, len(parents))
		}
		ids, seen := map[string]bool{}, map[string]bool{}
		for _, p := range parents {
			m := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-01$`).FindStringSubmatch(p)
			if m == nil || seen[m[2]] {
				t.Fatalf("%q: traceparent %q", args, p)
			}
			ids[m[1]], seen[m[2]] = true, true
		}
		return ids
	}
	first, second := traces("register", "anna", "--password-stdin"), traces("whoami")
	if len(first) != 1 || len(second) != 1 {
		t.Errorf("the runs belong to the traces %v and %v", first, second)
	}
	for id := range second {
		if first[id] {
			t.Error("two runs belong to one trace")
		}
	}
}
