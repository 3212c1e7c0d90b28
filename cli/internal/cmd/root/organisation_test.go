package root_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit/gateway"
	"github.com/soundextract/sx/server/testkit/oidcprovider"
)

// page is what a browser does on the web page.
type page struct {
	*http.Client
	url string
}

func (p page) post(t *testing.T, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.url)
	req.Header.Set(api.HeaderBrowser, "1")
	res, err := p.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s: %s %s, %v", path, res.Status, raw, err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoginThroughTheOrganisation signs in sx by a browser, which signs in through a real
// OpenID provider.
func TestLoginThroughTheOrganisation(t *testing.T) {
	home(t)
	provider := oidcprovider.New(t, oidcprovider.Person{Subject: "1001", Name: "ada", Email: "ada@example.org", EmailVerified: true})
	server := gateway.New(t, func(s *gateway.Server) {
		s.Organisation = &gateway.Organisation{Issuer: provider.Issuer, ClientID: oidcprovider.ClientID, ClientSecret: oidcprovider.ClientSecret}
	})
	provider.Allow(server.URL + "/")
	t.Setenv("SX_SERVER", server.URL)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := page{&http.Client{Jar: jar}, server.URL}
	var to api.OIDCRedirect
	browser.post(t, api.PathOIDCStart, struct{}{}, &to)
	returned := provider.SignIn(t, to.URL, "ada")
	browser.post(t, api.PathOIDC, api.OIDCResponse{Code: returned.Get("code"), State: returned.Get("state")}, nil)

	said, terminal := io.Pipe()
	ended := make(chan result, 1)
	go func() {
		ended <- sxIn(t, "", func(s *term.IOStreams) { s.ErrOut = terminal }, "login")
		_ = terminal.Close()
	}()
	code := ""
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, found, ok := strings.Cut(lines.Text(), server.URL+"/"+api.DevicePage); ok {
			code = found
		}
		if code != "" && strings.Contains(lines.Text(), "if the page shows the code "+code+".") {
			browser.post(t, strings.Replace(api.PathDevice, "{code}", code, 1), api.DeviceDecision{Approve: true}, nil)
		}
	}
	(<-ended).want(t, 0, "Signed in to "+server.URL+" as ada\n", "")
	run(t, "whoami").wantPart(t, 0, "ada at "+server.URL+"\nrole      user\nsign-in   through your organisation, until 2")
	run(t, "logout").wantPart(t, 0, "Signed out ada")

	// With a name, sx asks for the password of an account that has one.
	sxIn(t, "correct horse\n", nil, "register", "anna", "--password-stdin").wantPart(t, 0, "Created account anna")
	sxIn(t, "correct horse\n", nil, "login", "anna", "--password-stdin").wantPart(t, 0, "as anna")
}
