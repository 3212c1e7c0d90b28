package page_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestAccountStory(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.open("")
	b.see("h1", "Sign in")
	b.click("Create an account")
	b.see("h1", "Create an account")
	b.fillIn("Name", "anna")
	b.fillIn("Password", "anna-anna")
	b.click("Create the account")
	b.see("h1", "Jobs")
	b.click("Sign out")
	b.see("h1", "Sign in")

	b.fillIn("Name", "anna")
	b.fillIn("Password", "wrong")
	b.click("Sign in")
	b.see(".error", "Error: wrong name or password (bad_credentials)")
	b.see(".error", "Hint: check the name and the password")
	b.fillIn("Password", "anna-anna")
	b.click("Sign in")
	b.see("h1", "Jobs")

	// No script can read what signs in the browser, and it is in no address.
	if secrets := eval[string](b, `document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href`); secrets != "{}{}"+server.URL+"/#/" {
		t.Errorf("scripts can read %s", secrets)
	}
	cookies := command(b, network.GetCookies, network.GetCookiesParams{}).Cookies
	if len(cookies) != 1 || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteStrict {
		t.Errorf("cookies: %+v", cookies)
	}

	b.click("Account")
	b.see("h1", "Account anna")
	b.see("dl", "Stored videos and MP3s")
	b.fillIn("Current password", "anna-anna")
	b.fillIn("New password", password)
	b.click("Change the password")
	b.see("#notices", "The password is changed.")
	b.reload()
	b.see("h1", "Account anna") // the change signed in this browser again

	b.fillIn("Password", password)
	b.click("Delete the account")
	b.see("dialog", "Delete the account anna?")
	b.confirm()
	b.see("h1", "Sign in")
	b.fillIn("Name", "anna")
	b.fillIn("Password", password)
	b.click("Sign in")
	b.see(".error", "the account anna is being deleted")
}

// TestEndOfSession checks that a browser which is signed out elsewhere asks to sign in, and goes
// back to where it was.
func TestEndOfSession(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.register("anna")
	server.EndSessions("anna")
	b.click("Account") // which asks for the usage; the gateway may know the browser for a minute
	b.reload()
	b.see("h1", "Sign in")
	b.fillIn("Name", "anna")
	b.fillIn("Password", password)
	b.click("Sign in")
	b.see("h1", "Account anna")
}

// TestOpenStory signs in by the code of sx open.
func TestOpenStory(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	c, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(t.Context(), api.Credentials{Name: "anna", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	c, err = client.New(server.URL, &http.Client{Transport: client.Bearer{Token: tokens.AccessToken}})
	if err != nil {
		t.Fatal(err)
	}
	code, err := c.CreateBrowserCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := newTab(t, server.URL)
	b.open("#open=" + code.Code)
	b.see("h1", "Jobs")
	b.reload()
	b.see("h1", "Jobs")
	if got := eval[string](b, `location.href + JSON.stringify(performance.getEntries().map((e) => e.name))`); strings.Contains(got, code.Code) {
		t.Errorf("the code is still in %s", got)
	}

	stranger := newTab(t, server.URL)
	stranger.open("#open=" + code.Code)
	stranger.see("h1", "Sign in")
	stranger.see("#notices", "the code is unknown, used or expired")
}
