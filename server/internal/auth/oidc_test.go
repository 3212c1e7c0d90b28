package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/oidcprovider"
)

const pageOrigin = "https://sx.example.org"

// ada is in the organisation, in the way that the rules of organisation want.
func ada() oidcprovider.Person {
	return oidcprovider.Person{Subject: "1001", Name: "ada", Email: "ada@example.org", EmailVerified: true, Groups: []string{"sound"}}
}

// organisation is an auth with a provider.
type organisation struct {
	*fixture
	provider *oidcprovider.Provider
}

// startOrganisation starts a provider with the people, and an auth that gives accounts to
// verified addresses of example.org and makes the group admins administrators.
func startOrganisation(t *testing.T, people []oidcprovider.Person, change ...func(*auth.Config)) *organisation {
	t.Helper()
	p := oidcprovider.New(t, people...)
	p.Allow(pageOrigin + "/")
	st, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	set := func(cfg *auth.Config) {
		cfg.OIDC = auth.OIDC{
			Issuer: p.Issuer, ClientID: oidcprovider.ClientID, ClientSecret: oidcprovider.ClientSecret,
			Domains: []string{"example.org"}, AdminGroup: "admins",
		}
	}
	return &organisation{startOn(t, st, testkit.NewClockAt(time.Now()), append([]func(*auth.Config){set}, change...)...), p}
}

// post sends a request as the gateway does for the page, and decodes the response.
func (o *organisation) post(t *testing.T, path string, in, out any, header ...string) (http.Header, error) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", pageOrigin)
	req.Header.Set(api.HeaderBrowser, "1")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		return res.Header, readError(t, res)
	}
	if out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return res.Header, nil
}

// begin starts a sign-in and returns the address of the provider and the cookie.
func (o *organisation) begin(t *testing.T) (address, cookie string) {
	t.Helper()
	var out api.OIDCRedirect
	header, err := o.post(t, api.PathOIDCStart, struct{}{}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.URL, header.Get(api.HeaderTransaction)
}

// finish sends what the provider has returned.
func (o *organisation) finish(t *testing.T, returned url.Values, cookie string) (user api.User, session string, err error) {
	t.Helper()
	var out api.BrowserSession
	header, err := o.post(t, api.PathOIDC, response(returned), &out, api.HeaderTransaction, cookie)
	return out.User, header.Get(api.HeaderBrowserSession), err
}

func response(returned url.Values) api.OIDCResponse {
	return api.OIDCResponse{Code: returned.Get("code"), State: returned.Get("state"), Issuer: returned.Get("iss")}
}

// signIn signs in somebody.
func (o *organisation) signIn(t *testing.T, name string) (user api.User, session string, err error) {
	t.Helper()
	address, cookie := o.begin(t)
	return o.finish(t, o.provider.SignIn(t, address, name), cookie)
}

// me returns the account of a browser's session.
func (o *organisation) me(t *testing.T, session string) (out api.Me, err error) {
	t.Helper()
	return out, o.get(t, api.PathMe, session, &out)
}

func (o *organisation) get(t *testing.T, path, session string, out any) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+session)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		return readError(t, res)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func readError(t *testing.T, res *http.Response) error {
	t.Helper()
	var body api.ErrorBody
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Error.ToError()
}

func TestOrganisationCreatesAnAccount(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	how, err := o.Registration(t.Context())
	if err != nil || !how.Organisation || !how.Passwords {
		t.Fatalf("the server offers %+v, %v", how, err)
	}
	first, session, err := o.signIn(t, "ada")
	if err != nil || first.Name != "ada" || !first.Linked || first.Admin {
		t.Fatalf("got %+v, %v", first, err)
	}
	if me, err := o.me(t, session); err != nil || me.ID != first.ID || me.Password {
		t.Errorf("signed in as %+v, %v", me, err)
	}
	changed := ada()
	changed.Name, changed.Email = "countess", "countess@example.org" // nothing depends on them
	o.provider.Change(changed)
	second, _, err := o.signIn(t, "countess")
	if err != nil || second.ID != first.ID || second.Name != "ada" {
		t.Errorf("the second sign-in is of %+v, %v; want %+v", second, err, first)
	}
	// Who gets the name and address of another person later gets another account.
	o.provider.Change(oidcprovider.Person{Subject: "1002", Name: "ada", Email: "ada@example.org", EmailVerified: true})
	other, _, err := o.signIn(t, "ada")
	if err != nil || other.ID == first.ID || other.Name != "ada-2" {
		t.Errorf("the other person has %+v, %v", other, err)
	}
}

// TestOrganisationNeverTakesOverAccounts checks that a name or an address of the provider
// gives nobody an account that exists, nor that of the operator.
func TestOrganisationNeverTakesOverAccounts(t *testing.T) {
	t.Parallel()
	root := ada()
	root.Subject, root.Name = "1003", "root"
	o := startOrganisation(t, []oidcprovider.Person{ada(), root}, func(cfg *auth.Config) { cfg.Admin = "root" })
	own := o.register(t, "ada")
	user, _, err := o.signIn(t, "ada")
	if err != nil || user.ID == own.User.ID || user.Name != "ada-2" {
		t.Errorf("got %+v, %v", user, err)
	}
	user, _, err = o.signIn(t, "root")
	if err != nil || user.Name != "root-2" || user.Admin {
		t.Errorf("got %+v, %v", user, err)
	}
}

func TestOrganisationNames(t *testing.T) {
	t.Parallel()
	var people []oidcprovider.Person
	for i, name := range []string{"Zoë Müller", "bo", "x@example.org", "--", "a/b\\c<d>", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
		people = append(people, oidcprovider.Person{
			Subject: fmt.Sprint(i), Name: name, Email: "mail@example.org", EmailVerified: true,
		})
	}
	o := startOrganisation(t, people)
	want := []string{"zo--m-ller", "user-bo", "user-x", "mail", "a-b-c-d", "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"}
	for i, who := range people {
		user, _, err := o.signIn(t, who.Name)
		if err != nil || user.Name != want[i] {
			t.Errorf("%s is called %q, %v; want %q", who.Name, user.Name, err, want[i])
		}
	}
}

func TestOrganisationRules(t *testing.T) {
	t.Parallel()
	unverified, foreign, below := ada(), ada(), ada()
	unverified.EmailVerified = false
	foreign.Email = "ada@example.com"
	below.Email = "ada@mail.example.org"
	domain, group := auth.OIDC{Domains: []string{"Example.org"}}, auth.OIDC{Groups: []string{"music", "sound"}}
	both, none := auth.OIDC{Domains: []string{"example.org"}, Groups: []string{"music"}}, auth.OIDC{AdminGroup: "sound"}
	for name, c := range map[string]struct {
		who   oidcprovider.Person
		rules auth.OIDC
		may   bool
	}{
		"domain":                {ada(), domain, true},
		"unverified address":    {unverified, domain, false},
		"another domain":        {foreign, domain, false},
		"a domain below":        {below, domain, false},
		"group":                 {foreign, group, true},
		"unverified, but group": {unverified, group, true},
		"all rules must hold":   {ada(), both, false},
		"no rules":              {ada(), none, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOrganisation(t, []oidcprovider.Person{c.who}, func(cfg *auth.Config) {
				cfg.OIDC.Domains, cfg.OIDC.Groups, cfg.OIDC.AdminGroup = c.rules.Domains, c.rules.Groups, c.rules.AdminGroup
			})
			user, _, err := o.signIn(t, "ada")
			if c.may != (err == nil) || !c.may && sx.CodeOf(err) != sx.CodeRegistrationClosed {
				t.Errorf("got %+v, %v", user, err)
			}
			if list, _, err := o.store.Users.List(t.Context(), "", 0); err != nil || (len(list) == 1) != c.may {
				t.Errorf("the accounts are %v, %v", list, err)
			}
		})
	}
}

func TestFirstSignInsAtTheSameTime(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	const n = 8
	var wg sync.WaitGroup
	ids := make([]string, n)
	for i := range n {
		address, cookie := o.begin(t)
		returned := o.provider.SignIn(t, address, "ada")
		wg.Go(func() {
			user, _, err := o.finish(t, returned, cookie)
			if err != nil {
				t.Error(err)
			}
			ids[i] = user.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several accounts were created: %v", ids)
		}
	}
}

// TestFirstSignInAfterACrash checks that a binding without its account is used again.
func TestFirstSignInAfterACrash(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	b := sx.Binding{ID: sx.BindingID(o.provider.Issuer, "1001"), Issuer: o.provider.Issuer, Subject: "1001", UserID: sx.NewID()}
	if err := o.store.Bindings.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	user, _, err := o.signIn(t, "ada")
	if err != nil || user.ID != b.UserID {
		t.Errorf("got %+v, %v", user, err)
	}
}

func TestForeignResponsesAreRefused(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	address, cookie := o.begin(t)
	returned := o.provider.SignIn(t, address, "ada")
	_, otherCookie := o.begin(t)
	with := func(name, value string) url.Values {
		v := url.Values{}
		for n := range returned {
			v.Set(n, returned.Get(n))
		}
		v.Set(name, value)
		return v
	}
	refused := func(what string, returned url.Values, cookie string) {
		t.Helper()
		if user, session, err := o.finish(t, returned, cookie); sx.CodeOf(err) != sx.CodeBadCredentials || session != "" {
			t.Errorf("%s: signed in as %+v, %v", what, user, err)
		}
	}
	refused("without the cookie", returned, "")
	refused("another browser's cookie", returned, otherCookie)
	refused("a changed cookie", returned, cookie+"x")
	refused("another state", with("state", "s123"), cookie)
	refused("no state", with("state", ""), cookie)
	refused("no code", with("code", ""), cookie)
	refused("another code", with("code", "123"), cookie)
	refused("another provider", with("iss", "https://id.example.com"), cookie)
	if _, _, err := o.finish(t, returned, cookie); err != nil {
		t.Errorf("the right response: %v", err)
	}
	refused("again", returned, cookie)

	// A nonce that is not of this sign-in, which the provider puts into the ID token.
	address, cookie = o.begin(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("redirect_uri") != pageOrigin+"/" {
		t.Errorf("the request is %v", q)
	}
	q.Set("nonce", "another")
	u.RawQuery = q.Encode()
	refused("another nonce", o.provider.SignIn(t, u.String(), "ada"), cookie)

	// A code that was stolen from another sign-in.
	address, _ = o.begin(t)
	stolen := o.provider.SignIn(t, address, "ada")
	address, cookie = o.begin(t)
	own, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	stolen.Set("state", own.Query().Get("state"))
	refused("a stolen code", stolen, cookie)

	address, cookie = o.begin(t)
	returned = o.provider.SignIn(t, address, "ada")
	o.clock.Advance(api.TransactionLife)
	refused("too late", returned, cookie)
}

func TestSignInsNeedThePage(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, nil)
	for _, header := range [][]string{{"Origin", ""}, {"Origin", "null"}, {api.HeaderBrowser, ""}} {
		_, err := o.post(t, api.PathOIDCStart, struct{}{}, nil, header...)
		wantCode(t, err, sx.CodeInvalid)
	}
	_, err := start(t).send(t, http.MethodPost, api.PathOIDCStart, "", "Origin", pageOrigin, api.HeaderBrowser, "1")
	if err.Code != sx.CodeNotFound {
		t.Errorf("without a provider: %+v", err)
	}
}

func TestProviderIsDown(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	o.provider.SetDown(true)
	_, err := o.post(t, api.PathOIDCStart, struct{}{}, nil)
	wantCode(t, err, sx.CodeUnavailable)
	if o.register(t, "grace").AccessToken == "" {
		t.Error("passwords do not work meanwhile")
	}
	o.provider.SetDown(false)
	o.clock.Advance(5 * time.Second)
	if _, _, err := o.signIn(t, "ada"); err != nil {
		t.Error(err)
	}
	address, cookie := o.begin(t)
	returned := o.provider.SignIn(t, address, "ada")
	o.provider.SetDown(true)
	_, _, err = o.finish(t, returned, cookie)
	wantCode(t, err, sx.CodeUnavailable)
}

func TestGroupOfAdministrators(t *testing.T) {
	t.Parallel()
	boss := ada()
	boss.Groups = []string{"admins"}
	o := startOrganisation(t, []oidcprovider.Person{boss})
	user, session, err := o.signIn(t, "ada")
	if err != nil || !user.Admin {
		t.Fatalf("got %+v, %v", user, err)
	}
	var users api.UserList
	if err := o.get(t, api.PathUsers, session, &users); err != nil || len(users.Users) != 1 {
		t.Errorf("the accounts are %v, %v", users, err)
	}
	// The next sign-in without the group ends the role, in all sessions.
	o.provider.Change(ada())
	if user, _, err = o.signIn(t, "ada"); err != nil || user.Admin {
		t.Errorf("after leaving the group: %+v, %v", user, err)
	}
	wantCode(t, o.get(t, api.PathUsers, session, &users), sx.CodeForbidden)

	// Without another sign-in, the role and the session end after a day.
	o.provider.Change(boss)
	if _, session, err = o.signIn(t, "ada"); err != nil {
		t.Fatal(err)
	}
	o.clock.Advance(23 * time.Hour)
	if me, err := o.me(t, session); err != nil || !me.Admin {
		t.Errorf("after 23 hours: %+v, %v", me, err)
	}
	o.clock.Advance(time.Hour)
	_, err = o.me(t, session)
	wantCode(t, err, sx.CodeUnauthenticated)
	if u, err := o.store.Users.ByID(t.Context(), user.ID); err != nil || o.clock.Now().Before(u.GroupAdminUntil) {
		t.Errorf("the account is %+v, %v", u, err)
	}
}

// TestRoleOfThisServerIsKept checks that a group that somebody is not in ends no role that
// comes from elsewhere.
func TestRoleOfThisServerIsKept(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	user, _, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Update(t.Context(), user.ID, o.store.Users.ByID, o.store.Users.Replace, func(u *sx.User) error {
		u.Admin = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if user, _, err = o.signIn(t, "ada"); err != nil || !user.Admin {
		t.Errorf("got %+v, %v", user, err)
	}
}

func TestDisabledAccountOfTheOrganisation(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	user, session, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	block := func(change func(u *sx.User)) {
		t.Helper()
		_, err := store.Update(t.Context(), user.ID, o.store.Users.ByID, o.store.Users.Replace, func(u *sx.User) error {
			change(u)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	block(func(u *sx.User) { u.Disabled = true })
	_, _, err = o.signIn(t, "ada")
	wantCode(t, err, sx.CodeAccountDisabled)
	_, err = o.me(t, session)
	wantCode(t, err, sx.CodeUnauthenticated)
	block(func(u *sx.User) { u.Disabled, u.Erasing = false, true })
	_, _, err = o.signIn(t, "ada")
	wantCode(t, err, sx.CodeAccountDisabled)
}

func TestPasswordsOff(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()}, func(cfg *auth.Config) { cfg.Admin, cfg.AdminCode = "root", "code of root" })
	o.register(t, "grace")
	off := &organisation{startOn(t, o.store, o.clock, func(cfg *auth.Config) {
		cfg.OIDC = auth.OIDC{Issuer: o.provider.Issuer, ClientID: oidcprovider.ClientID, ClientSecret: oidcprovider.ClientSecret, Domains: []string{"example.org"}}
		cfg.NoPasswords, cfg.Admin, cfg.AdminCode = true, "root", "code of root"
	}), o.provider}
	if how, err := off.Registration(t.Context()); err != nil || how.Passwords {
		t.Errorf("the server offers %+v, %v", how, err)
	}
	_, err := off.Login(t.Context(), api.Credentials{Name: "grace", Password: password})
	wantCode(t, err, sx.CodeForbidden)
	_, err = off.Login(t.Context(), api.Credentials{Name: "grace", Password: "wrong password"})
	wantCode(t, err, sx.CodeBadCredentials)
	_, err = off.Register(t.Context(), api.Credentials{Name: "alan", Password: password})
	wantCode(t, err, sx.CodeRegistrationClosed)
	if _, _, err := off.signIn(t, "ada"); err != nil {
		t.Error(err)
	}
	// The operator is not locked out.
	root, err := off.Register(t.Context(), api.Credentials{Name: "root", Password: password, Invitation: "code of root"})
	if err != nil || !root.User.Admin {
		t.Fatalf("got %+v, %v", root, err)
	}
	if _, err := off.Login(t.Context(), api.Credentials{Name: "root", Password: password}); err != nil {
		t.Error(err)
	}
	_, refused := off.send(t, http.MethodPost, "/v1/admin/users/grace/reset-password", "", "Authorization", "Bearer "+root.AccessToken)
	if refused.Code != sx.CodeForbidden {
		t.Errorf("a code for a password: %+v", refused)
	}
}

func TestDeletionOfAnAccountWithoutPassword(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	_, session, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + session}
	o.clock.Advance(10 * time.Minute)
	_, err = o.post(t, api.PathDelete, api.AccountDeletion{}, nil, bearer...)
	wantCode(t, err, sx.CodeBadCredentials)
	if _, session, err = o.signIn(t, "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err = o.post(t, api.PathDelete, api.AccountDeletion{}, nil, "Authorization", "Bearer "+session); err != nil {
		t.Error(err)
	}
	_, _, err = o.signIn(t, "ada")
	wantCode(t, err, sx.CodeAccountDisabled)
}
