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
	"github.com/soundextract/sx/server/sx"
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

// organisation starts a server that signs people in through a real OpenID provider, and
// returns it with a browser in which ada has signed in.
func organisation(t *testing.T) (*gateway.Server, page) {
	t.Helper()
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
	return server, browser
}

// approved runs sx login, which the browser approves.
func approved(t *testing.T, server *gateway.Server, browser page) result {
	t.Helper()
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
	return <-ended
}

// TestLoginThroughTheOrganisation signs in sx by a browser.
func TestLoginThroughTheOrganisation(t *testing.T) {
	server, browser := organisation(t)
	approved(t, server, browser).want(t, 0, "Signed in to "+server.URL+" as ada\n", "")
	run(t, "whoami").wantPart(t, 0, "ada at "+server.URL+"\nrole      user\nsign-in   through your organisation, until 2")
	run(t, "logout").wantPart(t, 0, "Signed out ada")

	// With a name, sx asks for the password of an account that has one.
	sxIn(t, "correct horse\n", nil, "register", "anna", "--password-stdin").wantPart(t, 0, "Created account anna")
	sxIn(t, "correct horse\n", nil, "login", "anna", "--password-stdin").wantPart(t, 0, "as anna")
}

// TestDeletionWithoutAPassword deletes an account that has no password, which a sign-in
// through the organisation a short time ago stands for.
func TestDeletionWithoutAPassword(t *testing.T) {
	server, browser := organisation(t)
	approved(t, server, browser).wantPart(t, 0, "as ada")
	sxIn(t, "correct horse\n", nil, "account", "delete", "--yes", "--password-stdin").
		wantPart(t, 65, "the account ada has no password", "use: sx account delete --yes")
	sxIn(t, "eve\n", terminal, "account", "delete").wantPart(t, 65, "Type the account's name to confirm: ", "nothing was deleted")

	server.Set(func() {
		server.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == api.PathDelete {
				api.WriteError(w, sx.NewError(sx.CodeBadCredentials, "the last sign-in is too long ago"))
			}
			return r.URL.Path == api.PathDelete
		}
	})
	run(t, "account", "delete", "--yes").wantPart(t, 77, "the last sign-in is too long ago", "sign out on the web page, use: sx login,")
	server.Set(func() { server.Before = nil })

	got := sxIn(t, "ada\n", terminal, "account", "delete")
	got.wantPart(t, 0, "Deleting the account ada;", "Type the account's name to confirm: ")
	if strings.Contains(got.errOut, "Password") {
		t.Errorf("it asked for a password: %s", got.errOut)
	}
	run(t, "whoami").wantPart(t, 77, "not signed in")
}
