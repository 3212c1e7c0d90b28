package open_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/open"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, open.NewCmd, open.Options{})
	clitest.CheckFlags(t, open.NewCmd, open.Options{Print: true}, "--print")
	clitest.CheckFlags(t, open.NewCmd, open.Options{JSON: true}, "--json")
}

// signedIn returns a factory for a new account at the server.
func signedIn(t *testing.T, server *gateway.Server, cfg config.Config) (f *cmdutil.Factory, out, errOut func() string) {
	t.Helper()
	anonymous, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := anonymous.Register(t.Context(), api.Credentials{Name: "anna", Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Server = server.URL
	streams, o, e := term.Test("")
	return &cmdutil.Factory{
		IO:     streams,
		Config: func() (*config.Config, error) { return &cfg, nil },
		Client: func() (*client.Client, error) {
			return client.New(server.URL, &http.Client{Transport: client.Bearer{Token: tokens.AccessToken}})
		},
		Transport: func() (http.RoundTripper, error) { return http.DefaultTransport, nil },
	}, o.String, e.String
}

// redeem signs in as a browser does, at the address of the link.
func redeem(t *testing.T, link string) *http.Response {
	t.Helper()
	base, code, found := strings.Cut(link, "/#open=")
	if !found {
		t.Fatalf("the link is %q", link)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+api.PathBrowserSignIn, strings.NewReader(`{"code":"`+code+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(api.HeaderBrowser, "1")
	req.Header.Set("Origin", base)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

func TestPrintedLinkSignsInOnce(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	f, out, _ := signedIn(t, server, config.Config{})
	if err := clitest.Run(t, open.NewCmd(f, nil), "--print"); err != nil {
		t.Fatal(err)
	}
	link := strings.TrimSpace(out())
	if res := redeem(t, link); res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 {
		t.Errorf("the first use: %s with %d cookies", res.Status, len(res.Cookies()))
	}
	if res := redeem(t, link); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 {
		t.Errorf("the second use: %s with %d cookies", res.Status, len(res.Cookies()))
	}
}

var linkPattern = regexp.MustCompile(`url=([^"]+)"`)

// TestBrowserGetsFile checks that the link is in a file of the user's and on no command line.
func TestBrowserGetsFile(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), filepath.Join(t.TempDir(), "state")
	f, out, _ := signedIn(t, server, config.Config{StateDir: dir})
	var opened string
	cmd := open.NewCmd(f, func(ctx context.Context, o *open.Options) error {
		o.Start = func(_ context.Context, path string) error { opened = path; return nil }
		return open.Run(ctx, o)
	})
	if err := clitest.Run(t, cmd); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(opened)
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(opened) != dir || out() != "" {
		t.Fatalf("opened %q with mode %v, %v; printed %q", opened, info.Mode(), err, out())
	}
	page, err := os.ReadFile(opened)
	if err != nil {
		t.Fatal(err)
	}
	link := linkPattern.FindSubmatch(page)
	if link == nil {
		t.Fatalf("the file has no link: %s", page)
	}
	if res := redeem(t, string(link[1])); res.StatusCode != http.StatusOK {
		t.Errorf("the link in the file: %s", res.Status)
	}
}

// TestServerInCluster checks that a browser reaches a server that only sx can reach, until
// the command ends.
func TestServerInCluster(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	dir := t.TempDir()
	f, _, errOut := signedIn(t, server, config.Config{StateDir: dir, Kubernetes: config.Kubernetes{Namespace: "soundextract"}})
	ctx, stop := context.WithCancel(t.Context())
	cmd := open.NewCmd(f, func(_ context.Context, o *open.Options) error {
		o.Start = func(_ context.Context, path string) error {
			defer stop() // as by Ctrl-C
			page, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			link := string(linkPattern.FindSubmatch(page)[1])
			if strings.HasPrefix(link, server.URL) {
				t.Errorf("the link leads to the server itself: %s", link)
			}
			if res := redeem(t, link); res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 {
				t.Errorf("through sx: %s with %d cookies", res.Status, len(res.Cookies()))
			}
			// Another name that resolves to this machine.
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
			if err != nil {
				return err
			}
			req.Host = "rebound.example.org"
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			if _ = res.Body.Close(); res.StatusCode != http.StatusForbidden {
				t.Errorf("through sx, for another host: %s", res.Status)
			}
			return nil
		}
		return open.Run(ctx, o)
	})
	if err := clitest.Run(t, cmd); !errors.Is(err, context.Canceled) || !strings.Contains(errOut(), "until this command ends") {
		t.Errorf("ended with %v, said %q", err, errOut())
	}
}
