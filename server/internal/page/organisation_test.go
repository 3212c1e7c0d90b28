package page_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

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
func (b *tab) signInAt(name string) {
	b.t.Helper()
	b.see("label", "Username:")
	b.fillIn("Username:", name)
	b.fillIn("Password:", oidcprovider.Password)
	b.click("Login")
}

func TestOrganisationStory(t *testing.T) {
	t.Parallel()
	boss := ada()
	boss.Groups = []string{"admins"}
	server, provider := organisation(t, false, boss)
	b := newTab(t, server.URL)
	b.device(320, "light")
	b.open("#/account")
	b.see("button", "Sign in with your organisation")
	b.inspect("sign in with the organisation")
	b.click("Sign in with your organisation")
	b.signInAt("ada")
	b.see("h1", "Account ada") // the page that was asked for
	b.see("#organisation", "Organisation")
	b.see("nav", "Administration")
	b.inspect("account of the organisation")
	if left := eval[string](b, `location.href + JSON.stringify(sessionStorage) + document.cookie`); left != server.URL+"/#/account{}" {
		t.Errorf("the page has left %s", left)
	}
	cookies := command(b, network.GetCookies, network.GetCookiesParams{URLs: []string{server.URL}}).Cookies
	if len(cookies) != 1 || !cookies[0].HTTPOnly || cookies[0].SameSite != network.CookieSameSiteStrict {
		t.Errorf("cookies: %+v", cookies)
	}
	b.click("Sign out")
	b.see("a", "Sign out of your organisation, too")

	// Leaving the group ends the role.
	provider.Change(ada())
	b.click("Sign in with your organisation")
	b.signInAt("ada")
	b.see("h1", "Jobs")
	b.gone("nav", "Administration")

	// Nobody needs a password to delete an account that has none.
	b.click("Account")
	b.see("p", "You must have signed in less than ten minutes ago.")
	b.click("Delete the account")
	b.confirm()
	b.see("#notices", "The account ada is being deleted.")
}

func TestOrganisationRefuses(t *testing.T) {
	t.Parallel()
	unverified := ada()
	unverified.EmailVerified = false
	server, _ := organisation(t, true, unverified)
	b := newTab(t, server.URL)
	b.open("")
	b.see("summary", "Sign in with the operator's password")
	b.gone("a", "Create an account")
	b.inspect("sign in without passwords")
	b.click("Sign in with your organisation")
	b.signInAt("ada")
	b.see("#notices", "your organisation has not verified your e-mail address")
	b.see("h1", "Sign in")

	// What comes from another site signs in nobody.
	for query, want := range map[string]string{
		"code=1&state=s1":           "this sign-in was not started in this browser",
		"code=1&state=l1":           "sign in, or send a valid token",
		"error=access_denied&state": "(access_denied)",
		"error=%3Cb%3E&state":       "(error)",
	} {
		b.open("?" + query)
		b.see("#notices", want)
		b.see("h1", "Sign in")
		if address := eval[string](b, "location.href"); strings.Contains(address, "?") {
			t.Errorf("the address is still %s", address)
		}
	}
}

func TestLinkStory(t *testing.T) {
	t.Parallel()
	server, _ := organisation(t, false, ada())
	b := newTab(t, server.URL)
	b.register("lovelace")
	b.click("Account")
	b.see("#organisation", "")
	b.inspect("account to link")
	form := `form[aria-label="Organisation"] input[type=password]`
	b.see(form, "")
	eval[bool](b, fmt.Sprintf(`(() => { document.querySelector(%q).focus(); return true; })()`, form))
	b.run(chromedp.KeyEvent(password))
	b.click("Link the account")
	b.signInAt("ada")
	b.see("#notices", "The account is linked.")
	b.see("button", "Unlink the account")
	b.click("Sign out")
	b.click("Sign in with your organisation")
	b.signInAt("ada")
	b.see("h1", "Jobs")
	b.click("Account")
	b.see("h1", "Account lovelace")
}
