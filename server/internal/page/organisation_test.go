package page_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
	"github.com/soundextract/sx/server/testkit/oidcprovider"
)

func ada() oidcprovider.Person {
	return oidcprovider.Person{Subject: "1001", Name: "ada", Email: "ada@example.org", EmailVerified: true}
}

// organisation starts a provider with the people and a server that uses it.
func organisation(t *testing.T, noPasswords bool, people ...oidcprovider.Person) (*gateway.Server, *oidcprovider.Provider) {
	t.Helper()
	p := oidcprovider.New(t, people...)
	server := gateway.New(t, func(s *gateway.Server) {
		s.Organisation = &gateway.Organisation{
			Issuer: p.Issuer, ClientID: oidcprovider.ClientID, ClientSecret: oidcprovider.ClientSecret, NoPasswords: noPasswords,
		}
	})
	p.Allow(server.URL + "/")
	return server, p
}

// signInAt signs in at the page of the provider.
func signInAt(t *testing.T, b *chromium.Tab, name string) {
	t.Helper()
	b.See("label", "Username:")
	b.FillIn("Username:", name)
	b.FillIn("Password:", oidcprovider.Password)
	b.Click("Login")
}

func TestOrganisationStory(t *testing.T) {
	t.Parallel()
	boss := ada()
	boss.Groups = []string{"admins"}
	server, provider := organisation(t, false, boss)
	b := chromium.NewTab(t, server.URL)
	b.Device(320, "light")
	b.Open("#/account")
	b.See("button", "Sign in with your organisation")
	inspect(t, b, "sign in with the organisation")
	b.Click("Sign in with your organisation")
	signInAt(t, b, "ada")
	b.See("h1", "Account ada") // the page that was asked for
	b.See("#organisation", "Organisation")
	b.See("nav", "Administration")
	inspect(t, b, "account of the organisation")
	if left := chromium.Eval[string](b, `location.href + JSON.stringify(sessionStorage) + document.cookie`); left != server.URL+"/#/account{}" {
		t.Errorf("the page has left %s", left)
	}
	cookies := chromium.Command(b, network.GetCookies, network.GetCookiesParams{URLs: []string{server.URL}}).Cookies
	if len(cookies) != 1 || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteStrict {
		t.Errorf("cookies: %+v", cookies)
	}
	b.Click("Sign out")
	b.See("a", "Sign out of your organisation, too")

	// Leaving the group ends the role.
	provider.Change(ada())
	b.Click("Sign in with your organisation")
	signInAt(t, b, "ada")
	b.See("h1", "Jobs")
	b.Gone("nav", "Administration")

	// Nobody needs a password to delete an account that has none.
	b.Click("Account")
	b.See("p", "You must have signed in less than ten minutes ago.")
	b.Click("Delete the account")
	b.Confirm()
	b.See("#notices", "The account ada is being deleted.")
}

func TestOrganisationRefuses(t *testing.T) {
	t.Parallel()
	unverified := ada()
	unverified.EmailVerified = false
	server, _ := organisation(t, true, unverified)
	b := chromium.NewTab(t, server.URL)
	b.Open("")
	b.See("summary", "Sign in with the operator's password")
	b.Gone("a", "Create an account")
	inspect(t, b, "sign in without passwords")
	b.Click("Sign in with your organisation")
	signInAt(t, b, "ada")
	b.See("#notices", "your organisation has not verified your e-mail address")
	b.See("h1", "Sign in")

	// What comes from another site signs in nobody.
	for query, want := range map[string]string{
		"code=1&state=s1":           "this sign-in was not started in this browser",
		"code=1&state=l1":           "sign in, or send a valid token",
		"error=access_denied&state": "(access_denied)",
		"error=%3Cb%3E&state":       "(error)",
	} {
		b.Open("?" + query)
		b.See("#notices", want)
		b.See("h1", "Sign in")
		if address := chromium.Eval[string](b, "location.href"); strings.Contains(address, "?") {
			t.Errorf("the address is still %s", address)
		}
	}
}

func TestLinkStory(t *testing.T) {
	t.Parallel()
	server, _ := organisation(t, false, ada())
	b := chromium.NewTab(t, server.URL)
	b.Register("lovelace")
	b.Click("Account")
	b.See("#organisation", "")
	inspect(t, b, "account to link")
	form := `form[aria-label="Organisation"] input[type=password]`
	b.See(form, "")
	chromium.Eval[bool](b, fmt.Sprintf(`(() => { document.querySelector(%q).focus(); return true; })()`, form))
	b.Run(chromedp.KeyEvent(password))
	b.Click("Link the account")
	signInAt(t, b, "ada")
	b.See("#notices", "The account is linked.")
	b.See("button", "Unlink the account")
	b.Click("Sign out")
	b.Click("Sign in with your organisation")
	signInAt(t, b, "ada")
	b.See("h1", "Jobs")
	b.Click("Account")
	b.See("h1", "Account lovelace")
}

// TestDeviceStory approves the sign-in of a program, as for sx login.
func TestDeviceStory(t *testing.T) {
	t.Parallel()
	server, _ := organisation(t, true, ada())
	program, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	d, err := program.CreateDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := chromium.NewTab(t, server.URL)
	b.Open(api.DevicePage + d.UserCode)
	b.Click("Sign in with your organisation")
	signInAt(t, b, "ada")
	b.See("h1", "Sign in sx?") // the page that was asked for
	b.See(".usercode", d.UserCode)
	b.See("p", "The program is at the address 127.0.0.1.")
	inspect(t, b, "sign in sx")
	if tokens, err := program.DeviceTokens(t.Context(), d.Code); err != nil || tokens.AccessToken != "" {
		t.Errorf("before the approval: %+v, %v", tokens, err)
	}
	b.Click("Sign in sx")
	b.See("p", "sx is signed in. Go back to the terminal.")
	if tokens, err := program.DeviceTokens(t.Context(), d.Code); err != nil || tokens.User.Name != "ada" {
		t.Errorf("got %+v, %v", tokens, err)
	}

	d, err = program.CreateDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Open(api.DevicePage + d.UserCode)
	b.Click("Refuse")
	b.See("p", "Nothing is signed in.")
	if _, err := program.DeviceTokens(t.Context(), d.Code); sx.CodeOf(err) != sx.CodeBadCredentials {
		t.Errorf("a refused sign-in: %v", err)
	}
}
