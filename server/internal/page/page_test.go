package page_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/internal/page"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// maxSize is how large all files of the page may be together, before compression.
const maxSize = 200_000

// files returns the page's files by their paths in requests.
func files(t *testing.T) map[string]string {
	t.Helper()
	root, found := os.DirFS("files"), map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		path := "/page/" + name
		if name == "index.html" {
			path = "/"
		}
		found[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func get(path string, headers ...string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	page.Mount(mux)
	req := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, req)
	return w
}

func TestFiles(t *testing.T) {
	t.Parallel()
	total := 0
	for path, content := range files(t) {
		total += len(content)
		w := get(path)
		if w.Code != http.StatusOK || w.Body.String() != content {
			t.Errorf("%s: status %d, %d bytes of %d", path, w.Code, w.Body.Len(), len(content))
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(strings.ReplaceAll(policy, "'wasm-unsafe-eval'", ""), "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		etag := w.Header().Get("ETag")
		if again := get(path, "If-None-Match", etag); etag == "" || again.Code != http.StatusNotModified || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s is not revalidated: ETag %q, %d, %q", path, etag, again.Code, w.Header().Get("Cache-Control"))
		}
	}
	if total > maxSize {
		t.Errorf("the page has %d bytes, more than %d", total, maxSize)
	}
	t.Logf("%d bytes", total)
}

// TestNothingFromElsewhere checks that no file names another host, and that no text can become
// HTML or code.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage|document\.cookie`)
	for path, content := range files(t) {
		content = strings.ReplaceAll(content, `xmlns="http://www.w3.org/2000/svg"`, "")
		switch path {
		case "/page/organisation.js", // remembers which page to show after the sign-in
			"/page/start.js", "/page/main.js": // count failures to load the page
			content = strings.ReplaceAll(content, "sessionStorage", "")
		}
		for _, found := range forbidden.FindAllString(content, -1) {
			t.Errorf("%s contains %q", path, found)
		}
	}
}

// TestScriptsDoNotArrive checks that the page is loaded again if a script does not arrive, and
// that it is not blank if that does not help.
func TestScriptsDoNotArrive(t *testing.T) {
	t.Parallel()
	for name, failures := range map[string]int32{"twice": 2, "never": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			server := gateway.New(t, func(s *gateway.Server) {
				s.Before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != "/page/api.js" || requests.Add(1) > failures {
						return false
					}
					w.WriteHeader(http.StatusBadGateway)
					return true
				}
			})
			b := chromium.NewTab(t, server.URL)
			b.Run(chromedp.Navigate(server.URL))
			if failures == 2 {
				b.See("h1", "Sign in")
				return
			}
			testkit.Eventually(t, "the last attempt", func() bool { return requests.Load() == failures })
			b.See("main", "The page is still loading. If this stays, reload it.")
		})
	}
}
