package releases_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/releases"
	"github.com/soundextract/sx/server/sx"
)

func TestNewest(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0a", 32)
	tests := []struct {
		name    string
		status  int
		body    string
		newest  string
		code    sx.Code
		message string
	}{
		{"release", 200, sum + "  install.sh\n" + sum + "  sx_1.2.3_linux_amd64.deb\n", "1.2.3", "", ""},
		{"candidate", 200, sum + "  sx_1.2.3-rc.1_linux_amd64.deb\n", "1.2.3-rc.1", "", ""},
		{"no release", 404, "Not Found", "", sx.CodeNotFound, "no release found at HOST"},
		{"trouble", 503, "", "", sx.CodeUnavailable, "HOST responded: 503 Service Unavailable"},
		{"a page", 200, "<html>sx_1.2.3_linux</html>", "", sx.CodeInvalid, "the response from HOST lists no release of sx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprint(w, tt.body)
			}))
			defer srv.Close()
			got, err := releases.Newest(t.Context(), srv.URL)
			if got != tt.newest || sx.CodeOf(err) != tt.code {
				t.Fatalf("got %q, %v", got, err)
			}
			if err == nil {
				return
			}
			if want := strings.ReplaceAll(tt.message, "HOST", srv.Listener.Addr().String()); err.Error() != want {
				t.Errorf("message %q, want %q", err, want)
			}
			if sx.AsError(err).Hint == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestNewestUnreachable(t *testing.T) {
	t.Parallel()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = fmt.Fprint(w, "half")
	}))
	defer cut.Close()
	for home, code := range map[string]sx.Code{
		"http://127.0.0.1:1": sx.CodeUnreachable,
		cut.URL:              sx.CodeUnreachable,
		"example":            sx.CodeInvalid,
	} {
		_, err := releases.Newest(t.Context(), home)
		if sx.CodeOf(err) != code || sx.AsError(err).Hint == "" {
			t.Errorf("%s: %v", home, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := releases.Newest(ended, cut.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		have, newest string
		want         bool
	}{
		{"1.2.3", "1.2.3", false},
		{"1.2.3", "1.2.4", true},
		{"1.9.0", "1.10.0", true},
		{"2.0.0", "1.10.0", false},
		{"1.2.3-rc.1", "1.2.3", true},
		{"1.2.3-rc.1", "1.2.2", false},
		{"dev", "1.2.3", false},
		{"1.2.3-4-gf4706d1", "1.2.4", false},
		{"1.2.3-dirty", "1.2.4", false},
		{"0.0.1-snapshot.f4706d1", "1.2.4", false},
		{"99999999999999999999.0.0", "1.2.3", false},
	}
	for _, tt := range tests {
		if got := releases.Older(tt.have, tt.newest); got != tt.want {
			t.Errorf("Older(%q, %q) = %t", tt.have, tt.newest, got)
		}
	}
}

func TestHowToUpdate(t *testing.T) {
	t.Parallel()
	tests := []struct{ goos, path, want string }{
		{"darwin", "/opt/homebrew/Caskroom/sx/1.2.3/sx", "brew upgrade --cask sx"},
		{"linux", "/usr/bin/sx", "install the .deb or .rpm of https://h/tag/v1.3.0"},
		{"windows", `C:\tools\sx.exe`, "unpack the archive of https://h/tag/v1.3.0"},
		{"linux", "/home/anna/.local/bin/sx", "curl --proto '=https' --tlsv1.2 -fsSL https://h/latest/download/install.sh | sh -s -- --dir '/home/anna/.local/bin'"},
	}
	for _, tt := range tests {
		if got := releases.HowToUpdate(tt.goos, tt.path, "https://h/", "1.3.0"); got != tt.want {
			t.Errorf("%s on %s: %q, want %q", tt.path, tt.goos, got, tt.want)
		}
	}
}
