package standalone_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit"
)

// notPrivate are the paths whose responses are the same for everybody.
var notPrivate = []string{"/", api.PathKeys, api.PathOpenAPI, api.PathRegister}

// probes are for programs on this machine.
var probes = []string{api.PathHealth, api.PathReady, api.PathMetrics}

// TestPrivateResponses checks that no response to a read of the API, of a link or of a feed is
// kept by caches that others use, shown in a frame, read by a page of another origin, or taken
// for another type; and that the page itself cannot be framed either.
func TestPrivateResponses(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	url, data := serve(t)
	p := populate(t, url, ownerToken(t, data))
	for _, o := range append(operations(t), operation{method: http.MethodGet, path: "/"}) {
		if o.method != http.MethodGet && o.method != http.MethodHead || slices.Contains(probes, o.path) {
			continue
		}
		for what, answer := range map[string]*http.Response{
			"":                      p.get(t, url, o, p.alice.AccessToken, p.shown),
			" without a sign-in":    p.get(t, url, o, "", p.shown),
			" of what is not there": p.get(t, url, o, p.alice.AccessToken, shown{job: "none", link: "sxl_none", feed: "sxf_none"}),
		} {
			if what == "" && answer.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %s, so that its headers are not checked", o.method, o.path, answer.Status)
			}
			h, cache := answer.Header, answer.Header.Get("Cache-Control")
			if !slices.Contains(notPrivate, o.path) && !strings.HasPrefix(cache, "private, ") && cache != "no-store" {
				t.Errorf("%s %s%s: %d with Cache-Control %q", o.method, o.path, what, answer.StatusCode, cache)
			}
			if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Errorf("%s %s%s can be framed: %q, %q", o.method, o.path, what, h.Get("X-Frame-Options"), h.Get("Content-Security-Policy"))
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "", "Location": "",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s %s%s: %s is %q, want %q", o.method, o.path, what, name, got, want)
				}
			}
			if got := h.Get("Referrer-Policy"); strings.Contains(o.path, "{secret}") && got != "no-referrer" {
				t.Errorf("%s %s%s: the secret goes to other sites, by Referrer-Policy %q", o.method, o.path, what, got)
			}
		}
	}
}

// get reads the object of an operation, and returns the response, whose body is read.
func (p users) get(t *testing.T, url string, o operation, token string, of shown) *http.Response {
	t.Helper()
	id, secret, code, cookie := of.job, of.link, "BCDF-GHJK", ""
	switch {
	case o.path == api.PathDevice && of.job != "none" && token != "":
		code, token, cookie = must(as(t, url, "").CreateDevice(t.Context()))(t).UserCode, "", p.browser
	case strings.HasPrefix(o.path, api.PathUploads) && of.job != "none":
		id = p.job
	case strings.HasPrefix(o.path, "/f/"):
		secret = of.feed
	case strings.HasPrefix(o.path, "/v1/admin/") && token != "":
		token = p.root.AccessToken
	}
	path := strings.NewReplacer("{id}", id, "{job}", id, "{number}", "1", "{secret}", secret, "{code}", code).Replace(o.path)
	if o.path == api.PathEvents || o.path == api.PathArchive {
		path += "?id=" + id
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	req := must(http.NewRequestWithContext(ctx, o.method, url+path, http.NoBody))(t)
	if strings.HasPrefix(o.path, api.PathUploads) {
		req.Header.Set("Tus-Resumable", "1.0.0")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if cookie != "" { // only a browser may read it
		req.Header.Set("Cookie", cookie)
		req.Header.Set(api.HeaderBrowser, "1")
	}
	res := must(http.DefaultTransport.RoundTrip(req))(t)
	_, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Errorf("%s %s: %v", o.method, o.path, err)
	}
	return res
}
