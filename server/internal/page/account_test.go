package page_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestAccountStory(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Open("")
	b.See("h1", "Sign in")
	b.Click("Create an account")
	b.See("h1", "Create an account")
	b.FillIn("Name", "anna")
	b.FillIn("Password", "anna-anna")
	b.Click("Create the account")
	b.See("h1", "Jobs")
	b.Click("Sign out")
	b.See("h1", "Sign in")

	b.FillIn("Name", "anna")
	b.FillIn("Password", "wrong")
	b.Click("Sign in")
	b.See(".error", "Error: wrong name or password (bad_credentials)")
	b.See(".error", "Hint: check the name and the password")
	b.FillIn("Password", "anna-anna")
	b.Click("Sign in")
	b.See("h1", "Jobs")

	// No script can read what signs in the browser, and it is in no address.
	if secrets := chromium.Eval[string](b, `document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href`); secrets != "{}{}"+server.URL+"/#/" {
		t.Errorf("scripts can read %s", secrets)
	}
	cookies := chromium.Command(b, network.GetCookies, network.GetCookiesParams{}).Cookies
	if len(cookies) != 1 || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteStrict {
		t.Errorf("cookies: %+v", cookies)
	}

	b.Click("Account")
	b.See("h1", "Account anna")
	b.See("dl", "Stored videos and MP3s")
	b.FillIn("Current password", "anna-anna")
	b.FillIn("New password", password)
	b.Click("Change the password")
	b.See("#notices", "The password is changed.")
	b.Reload()
	b.See("h1", "Account anna") // the change signed in this browser again

	b.FillIn("Password", password)
	b.Click("Delete the account")
	b.See("dialog", "Delete the account anna?")
	b.Confirm()
	b.See("h1", "Sign in")
	b.FillIn("Name", "anna")
	b.FillIn("Password", password)
	b.Click("Sign in")
	b.See(".error", "the account anna is being deleted")
}

// TestEndOfSession checks that a browser which is signed out elsewhere asks to sign in, and goes
// back to where it was.
func TestEndOfSession(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	server.EndSessions("anna")
	b.Click("Account") // which asks for the usage; the gateway may know the browser for a minute
	b.Reload()
	b.See("h1", "Sign in")
	b.FillIn("Name", "anna")
	b.FillIn("Password", password)
	b.Click("Sign in")
	b.See("h1", "Account anna")
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
	b := chromium.NewTab(t, server.URL)
	b.Open("#open=" + code.Code)
	b.See("h1", "Jobs")
	b.Reload()
	b.See("h1", "Jobs")
	if got := chromium.Eval[string](b, `location.href + JSON.stringify(performance.getEntries().map((e) => e.name))`); strings.Contains(got, code.Code) {
		t.Errorf("the code is still in %s", got)
	}

	stranger := chromium.NewTab(t, server.URL)
	stranger.Open("#open=" + code.Code)
	stranger.See("h1", "Sign in")
	stranger.See("#notices", "the code is unknown, used or expired")
}
