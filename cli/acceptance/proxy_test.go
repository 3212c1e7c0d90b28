//go:build unix

package acceptance_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/api"
)

// refusal says which requests a proxy refuses, and how.
type refusal struct {
	method, path string // the path is the beginning
	status       int    // of the response
	wait         int    // seconds in Retry-After; 0 for none
	times        int    // how many more requests are refused
}

// proxy is a proxy in front of a server that refuses some of the requests.
type proxy struct {
	mu sync.Mutex
	refusal
	refused  time.Time
	returned time.Time // when the next such request came
}

const page = "<html><body>Sorry, an error occurred</body></html>"

func (p *proxy) refuses(w http.ResponseWriter, r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Method != p.method || !strings.HasPrefix(r.URL.Path, p.path):
		return false
	case p.times == 0:
		p.method, p.returned = "", time.Now()
		return false
	}
	p.times--
	p.refused = time.Now()
	w.Header().Set("Content-Type", "text/html")
	if p.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.wait))
	}
	w.WriteHeader(p.status)
	_, _ = w.Write([]byte(page)) // the client may be gone
	return true
}

// TestProxy converts a video through a proxy that refuses requests in several ways.
func TestProxy(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	code, screen := l.run("", "up", "-d", "--addr", "127.0.0.1:0")
	wantScreen(t, code, 0, screen, "The local server is running at")
	server, err := programs.Find(l.data())
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	token, err := l.command("token", "create", "proxy", "--jq", ".token").Output()
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.refuses(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	host := strings.TrimPrefix(front.URL, "http://")

	const always = 1000
	for _, tt := range []struct {
		how    refusal
		code   int
		output string // of the MP3
		want   []string
	}{
		{
			refusal{method: http.MethodPatch, path: api.PathUploads, status: 413, times: always},
			65, "a.mp3",
			[]string{"a proxy in front of " + host + " refuses requests of this size (413 Request Entity Too Large)", "hint: ask the operator of the server to raise the proxy's limit"},
		},
		{
			refusal{method: http.MethodPatch, path: api.PathUploads, status: 403, times: always},
			69, "a.mp3",
			[]string{"a proxy in front of " + host + " refuses the request (403 Forbidden)", "hint: ask the operator of the proxy or firewall"},
		},
		{
			refusal{method: http.MethodPatch, path: api.PathUploads, status: 503, wait: always, times: always},
			69, "a.mp3",
			[]string{"a proxy in front of " + host + " cannot reach the server (503 Service Unavailable)", "hint: wait 16m40s, as the server asks, then run the same command again"},
		},
		{
			refusal{method: http.MethodPatch, path: api.PathUploads, status: 503, wait: 2, times: 1},
			0, "a.mp3",
			[]string{"cannot reach the server (503 Service Unavailable), trying again in 2s", "a.mp3"},
		},
		{
			refusal{method: http.MethodGet, path: "/v1/jobs/", status: 429, wait: 2, times: 1},
			0, "b.mp3",
			[]string{"limits the number of requests (429 Too Many Requests), trying again in 2s", "b.mp3"},
		},
		{
			refusal{method: http.MethodPost, path: api.PathLookup, status: 200, times: always},
			69, "c.mp3",
			[]string{"the answer from " + host + " is not from a SoundExtract server", "hint: "},
		},
	} {
		p.mu.Lock()
		p.refusal = tt.how
		p.refused, p.returned = time.Time{}, time.Time{}
		p.mu.Unlock()
		cmd := l.command("convert", "talk.mp4", "-o", tt.output)
		cmd.Env = append(cmd.Env, "SX_SERVER="+front.URL, "SX_TOKEN="+strings.TrimSpace(string(token)))
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		wantScreen(t, cmd.ProcessState.ExitCode(), tt.code, string(out), tt.want...)
		if strings.Contains(string(out), "Sorry") || strings.Contains(string(out), "html") {
			t.Errorf("the proxy's page is shown:\n%s", out)
		}
		p.mu.Lock()
		if paused := p.returned.Sub(p.refused); tt.code == 0 && paused < time.Duration(tt.how.wait)*time.Second {
			t.Errorf("%d: tried again after %s", tt.how.status, paused)
		}
		p.mu.Unlock()
	}
}
