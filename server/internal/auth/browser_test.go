package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// browserSecret sends a sign-in as the page does and returns the secret for the cookie.
func (b *fixture) browserSecret(t *testing.T, path, body string, header ...string) string {
	t.Helper()
	res, e := b.send(t, http.MethodPost, path, body, append(header, api.HeaderBrowser, "1")...)
	secret := res.Header.Get(api.HeaderBrowserSession)
	if res.StatusCode != http.StatusOK || !token.IsBrowser(secret) || !token.WellFormed(secret) {
		t.Fatalf("%s: %s, secret %q, error %+v", path, res.Status, secret, e)
	}
	return secret
}

const annaSignsIn = `{"name":"anna","password":"` + password + `"}`

// kind returns what the bearer token authenticates as; "" if it does not.
func (b *fixture) kind(t *testing.T, bearer string) api.CredentialKind {
	t.Helper()
	me, err := b.as(t, bearer).Me(t.Context())
	if err != nil {
		wantCode(t, err, sx.CodeUnauthenticated)
		return ""
	}
	return me.Credential.Kind
}

func TestBrowserSession(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "anna")
	secret := b.browserSecret(t, api.PathLogin, annaSignsIn)
	if got := b.kind(t, secret); got != api.CredentialBrowser {
		t.Errorf("the secret is %q", got)
	}
	// It is no refresh token, whatever form it is sent in.
	for _, refresh := range []string{secret, token.SecretID(api.BrowserPrefix, secret) + "." + strings.Repeat("A", 43)} {
		_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
		wantCode(t, err, sx.CodeSessionEnded)
	}
	if got := b.kind(t, secret); got == "" {
		t.Error("a made-up refresh token ended the session of a browser")
	}
	// It can do what a sign-in can.
	if _, err := b.as(t, secret).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 60}); err != nil {
		t.Error(err)
	}
	// Another sign-in of the same browser replaces it.
	second := b.browserSecret(t, api.PathLogin, annaSignsIn, "Authorization", "Bearer "+secret)
	if b.kind(t, secret) != "" || b.kind(t, second) == "" {
		t.Error("the first session was not replaced by the second")
	}
	res, _ := b.send(t, http.MethodPost, api.PathLogout, "{}", "Authorization", "Bearer "+second)
	if _, sent := res.Header[api.HeaderBrowserSession]; res.StatusCode != http.StatusNoContent || !sent || b.kind(t, second) != "" {
		t.Errorf("signing out: %s; the secret is still %q", res.Status, b.kind(t, second))
	}
}

// TestBrowserSessionEnds checks that a browser is signed out by what ends other sign-ins.
func TestBrowserSessionEnds(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	b.registerRoot(t)
	b.register(t, "anna")
	for name, end := range map[string]func(secret string){
		"time": func(string) { b.clock.Advance(30*24*time.Hour + time.Second) },
		"a new password": func(secret string) {
			next := b.browserSecret(t, api.PathPassword, `{"old_password":"`+password+`","new_password":"another horse battery"}`, "Authorization", "Bearer "+secret)
			b.browserSecret(t, api.PathPassword, `{"old_password":"another horse battery","new_password":"`+password+`"}`, "Authorization", "Bearer "+next)
		},
		"an administrator": func(string) {
			admin, err := b.Login(t.Context(), api.Credentials{Name: "root", Password: password})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.as(t, admin.AccessToken).Disable(t.Context(), "anna"); err != nil {
				t.Fatal(err)
			}
			if _, err := b.as(t, admin.AccessToken).Enable(t.Context(), "anna"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		secret := b.browserSecret(t, api.PathLogin, annaSignsIn)
		end(secret)
		if b.kind(t, secret) != "" {
			t.Errorf("the browser is still signed in after %s", name)
		}
	}
}

// TestBrowserSessionIsExtended checks that a browser stays signed in as long as it is used.
func TestBrowserSessionIsExtended(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "anna")
	secret := b.browserSecret(t, api.PathLogin, annaSignsIn)
	for range 4 {
		b.clock.Advance(20 * 24 * time.Hour)
		if res, e := b.send(t, http.MethodPost, api.PathExchange, `{"token":"`+secret+`"}`); res.StatusCode != http.StatusOK {
			t.Fatalf("the exchange: %s %+v", res.Status, e)
		}
	}
}

func TestBrowserCode(t *testing.T) {
	t.Parallel()
	b := start(t)
	anna := b.as(t, b.register(t, "anna").AccessToken)
	code := func() string {
		made, err := anna.CreateBrowserCode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return made.Code
	}
	refused := func(what, code string) {
		t.Helper()
		res, e := b.send(t, http.MethodPost, api.PathBrowserSignIn, `{"code":"`+code+`"}`, api.HeaderBrowser, "1")
		if e.Code != sx.CodeBadCredentials || res.Header.Get(api.HeaderBrowserSession) != "" {
			t.Errorf("%s: %s %+v", what, res.Status, e)
		}
	}
	first := code()
	secret := b.browserSecret(t, api.PathBrowserSignIn, `{"code":"`+first+`"}`)
	if b.kind(t, secret) != api.CredentialBrowser {
		t.Error("the code did not sign in")
	}
	refused("a used code", first)
	late := code()
	b.clock.Advance(api.BrowserCodeLife)
	refused("a late code", late)
	refused("a mistyped code", strings.ToUpper(code()))
	refused("another one", token.NewSecret(api.BrowserCodePrefix, sx.NewID()))
	refused("the secret of a browser", secret)
	// The code itself opens nothing.
	for _, bearer := range []string{code(), strings.Replace(code(), api.BrowserCodePrefix, api.BrowserPrefix, 1)} {
		if got := b.kind(t, bearer); got != "" {
			t.Errorf("a code authenticates as %s", got)
		}
	}
	// Without the header, no other site's form or script can sign in a browser.
	if _, e := b.send(t, http.MethodPost, api.PathBrowserSignIn, `{"code":"`+code()+`"}`); e.Code != sx.CodeInvalid {
		t.Errorf("without the header: %+v", e)
	}
	// A code from before the password was changed.
	old := code()
	if _, err := anna.ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: "another horse battery"}); err != nil {
		t.Fatal(err)
	}
	refused("a code from before the password was changed", old)
}

// TestWhoGetsBrowserCodes checks that a code cannot outlive the credential it was made with.
func TestWhoGetsBrowserCodes(t *testing.T) {
	t.Parallel()
	b := start(t)
	anna := b.as(t, b.register(t, "anna").AccessToken)
	personal, err := anna.CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 60})
	if err != nil {
		t.Fatal(err)
	}
	browser := b.browserSecret(t, api.PathLogin, annaSignsIn)
	for _, bearer := range []string{personal.Token, browser} {
		_, err := b.as(t, bearer).CreateBrowserCode(t.Context())
		wantCode(t, err, sx.CodeForbidden)
	}
}

// TestOwnersBrowser checks that a browser which the owner's token signed in is signed out when
// the server starts again with another token, and so is one that a program signs in which
// that browser has approved.
func TestOwnersBrowser(t *testing.T) {
	t.Parallel()
	secret := token.NewOwner()
	b := start(t, func(c *auth.Config) { c.OwnerToken = secret })
	if _, err := b.service.EnsureOwner(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	made, err := b.as(t, secret).CreateBrowserCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	browser := b.browserSecret(t, api.PathBrowserSignIn, `{"code":"`+made.Code+`"}`)
	if b.kind(t, browser) != api.CredentialBrowser {
		t.Fatal("the owner's browser is not signed in")
	}
	// The owner has no password, so nobody can set one with the browser alone.
	res, e := b.send(t, http.MethodPost, api.PathPassword, `{"new_password":"`+password+`"}`, "Authorization", "Bearer "+browser)
	if e.Code != sx.CodeBadCredentials {
		t.Errorf("setting a password: %s %+v", res.Status, e)
	}
	second := b.browserSecret(t, api.PathBrowserSignIn, `{"code":"`+b.codeOfDevice(t, browser)+`"}`)
	if b.kind(t, second) != api.CredentialBrowser {
		t.Fatal("the second browser is not signed in")
	}
	again := startOn(t, b.store, b.clock, func(c *auth.Config) { c.OwnerToken = token.NewOwner() })
	if again.kind(t, browser) != "" {
		t.Error("the browser is signed in after the restart")
	}
	if again.kind(t, second) != "" {
		t.Error("the second browser is signed in after the restart")
	}
	exposed := startOn(t, b.store, b.clock)
	if exposed.kind(t, browser) != "" {
		t.Error("the browser is signed in at a server without an owner's token")
	}
}

// codeOfDevice has a program signed in by a browser, and returns the program's code for
// another browser.
func (b *fixture) codeOfDevice(t *testing.T, browser string) string {
	t.Helper()
	d := b.newDevice(t)
	res, e := b.send(t, http.MethodPost, devicePath(d.UserCode), `{"approve":true}`, "Authorization", "Bearer "+browser)
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("approving: %s %+v", res.Status, e)
	}
	tokens, err := b.DeviceTokens(t.Context(), d.Code)
	if err != nil {
		t.Fatal(err)
	}
	made, err := b.as(t, tokens.AccessToken).CreateBrowserCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return made.Code
}
