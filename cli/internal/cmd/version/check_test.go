package version_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/version"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/releases"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// These tests set linker and environment variables, so none is parallel.

func as(t *testing.T, v, commit, date string) {
	t.Helper()
	before := [3]string{sx.Version, sx.Commit, sx.Date}
	t.Cleanup(func() { sx.Version, sx.Commit, sx.Date = before[0], before[1], before[2] })
	sx.Version, sx.Commit, sx.Date = v, commit, date
}

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	streams, out, _ := term.Test("")
	cmd := version.NewCmd(&cmdutil.Factory{IO: streams}, nil)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// published serves the list of checksums of a newest release.
func published(t *testing.T, newest string) (url string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/latest/download/checksums.txt" {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, "%064x  install.sh\n%064x  sx_%s_linux_amd64.tar.xz\n", 1, 2, newest)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestFacts(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	tests := []struct{ version, chart, app string }{
		{"1.2.3", "1.2.3", "1.2.3"},
		{"1.2.3-rc.1", "1.2.3-rc.1", "1.2.3-rc.1"},
		{"0123456", "0.0.0-build-0123456", "0123456"}, // no version that a chart could have
		{"1.2.3+own", "1.2.3+own", "1.2.3-own"},       // no tag that an image could have
	}
	for _, tt := range tests {
		t.Run(tt.version, func(t *testing.T) {
			as(t, tt.version, commit, "2026-01-02T03:04:05Z")
			t.Setenv(releases.Env, "http://127.0.0.1:1") // no request may be sent
			out, err := run(t, "--json")
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]string{
				"version": tt.version, "commit": commit, "date": "2026-01-02T03:04:05Z", "chart": tt.chart, "app": tt.app,
			} {
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
			text, err := run(t)
			if err != nil || !strings.HasPrefix(text, "sx "+tt.version+" (0123456, 2026-01-02T03:04:05Z, go1.") {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, have, newest string
		newer, update      bool
		text               string
	}{
		{"older", "1.2.3", "1.10.0", true, true, "\n1.10.0 is available: URL/tag/v1.10.0\nupdate: "},
		{"candidate", "1.2.3-rc.1", "1.2.3", true, true, "\n1.2.3 is available: URL/tag/v1.2.3\nupdate: "},
		{"newest", "1.2.3", "1.2.3", false, false, "\nthis is the newest release\n"},
		{"ahead", "1.3.0-rc.1", "1.2.3", false, true, "\nthe newest release, 1.2.3, is older than this version\n"},
		{"no release", "f4706d1", "1.2.3", false, true, "\nthis is not a release; the newest is 1.2.3: URL/tag/v1.2.3\nupdate: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			as(t, tt.have, "", "")
			url := published(t, tt.newest)
			t.Setenv(releases.Env, url+"/")
			text, err := run(t, "--check")
			if want := strings.ReplaceAll(tt.text, "URL", url); err != nil || !strings.Contains(text, want) {
				t.Errorf("got %q, %v; want %q", text, err, want)
			}
			out, err := run(t, "--check", "--json")
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Version, Newest, Page, Update string
				Newer                         bool
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			if got.Version != tt.have || got.Newest != tt.newest || got.Newer != tt.newer || (got.Update != "") != tt.update {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCheckOffline(t *testing.T) {
	t.Setenv(releases.Env, "http://127.0.0.1:1")
	out, err := run(t, "--check")
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitUnreachable || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}
