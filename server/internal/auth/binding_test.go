package auth_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/oidcprovider"
)

// browse signs in a browser with the password and returns its session.
func (o *organisation) browse(t *testing.T, name string) string {
	t.Helper()
	header, err := o.post(t, api.PathLogin, api.Credentials{Name: name, Password: password}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return header.Get(api.HeaderBrowserSession)
}

// beginLink starts to link the account of a session.
func (o *organisation) beginLink(t *testing.T, session string) (address, cookie string) {
	t.Helper()
	var out api.OIDCRedirect
	header, err := o.post(t, api.PathBindingStart, api.PasswordProof{Password: password}, &out, "Authorization", "Bearer "+session)
	if err != nil {
		t.Fatal(err)
	}
	return out.URL, header.Get(api.HeaderTransaction)
}

func (o *organisation) finishLink(t *testing.T, session string, returned url.Values, cookie string) (out api.User, err error) {
	t.Helper()
	_, err = o.post(t, api.PathBinding, response(returned), &out, "Authorization", "Bearer "+session, api.HeaderTransaction, cookie)
	return out, err
}

// link links the account of a session with somebody.
func (o *organisation) link(t *testing.T, session, name string) (api.User, error) {
	t.Helper()
	address, cookie := o.beginLink(t, session)
	return o.finishLink(t, session, o.provider.SignIn(t, address, name), cookie)
}

func TestLink(t *testing.T) {
	t.Parallel()
	// Who has an account may link it, whatever the rules for new ones.
	o := startOrganisation(t, []oidcprovider.Person{ada()}, func(cfg *auth.Config) { cfg.OIDC.Domains = nil })
	own := o.register(t, "lovelace")
	session := o.browse(t, "lovelace")
	_, _, err := o.signIn(t, "ada")
	wantCode(t, err, sx.CodeRegistrationClosed)
	user, err := o.link(t, session, "ada")
	if err != nil || user.ID != own.User.ID || !user.Linked {
		t.Fatalf("got %+v, %v", user, err)
	}
	user, signedIn, err := o.signIn(t, "ada")
	if err != nil || user.ID != own.User.ID {
		t.Fatalf("signed in as %+v, %v", user, err)
	}
	if me, err := o.me(t, signedIn); err != nil || !me.Password {
		t.Errorf("got %+v, %v", me, err)
	}
	if _, err := o.Login(t.Context(), api.Credentials{Name: "lovelace", Password: password}); err != nil {
		t.Errorf("the password: %v", err)
	}
	_, err = o.post(t, api.PathBindingStart, api.PasswordProof{Password: password}, nil, "Authorization", "Bearer "+session)
	wantCode(t, err, sx.CodeConflict)

	_, err = o.post(t, api.PathUnbind, api.PasswordProof{Password: "wrong password"}, nil, "Authorization", "Bearer "+session)
	wantCode(t, err, sx.CodeBadCredentials)
	if _, err = o.post(t, api.PathUnbind, api.PasswordProof{Password: password}, nil, "Authorization", "Bearer "+session); err != nil {
		t.Fatal(err)
	}
	_, _, err = o.signIn(t, "ada")
	wantCode(t, err, sx.CodeRegistrationClosed)
	if _, err := o.link(t, session, "ada"); err != nil {
		t.Errorf("linking again: %v", err)
	}
}

// TestOnlyTheOwnerLinks checks that an account is linked by nobody but its owner, in one
// browser.
func TestOnlyTheOwnerLinks(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	o.register(t, "lovelace")
	o.register(t, "mallory")
	session, other := o.browse(t, "lovelace"), o.browse(t, "mallory")
	start := func(bearer, password string) error {
		_, err := o.post(t, api.PathBindingStart, api.PasswordProof{Password: password}, nil, "Authorization", bearer)
		return err
	}
	wantCode(t, start("", password), sx.CodeUnauthenticated)
	wantCode(t, start("Bearer "+session, "wrong password"), sx.CodeBadCredentials)
	tokens, err := o.Login(t.Context(), api.Credentials{Name: "lovelace", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, start("Bearer "+tokens.AccessToken, password), sx.CodeForbidden)

	address, cookie := o.beginLink(t, session)
	returned := o.provider.SignIn(t, address, "ada")
	_, err = o.finishLink(t, other, returned, cookie) // mallory's session with the cookie
	wantCode(t, err, sx.CodeBadCredentials)
	_, err = o.finishLink(t, session, returned, "")
	wantCode(t, err, sx.CodeBadCredentials)
	_, _, err = o.finish(t, returned, cookie) // a link is no sign-in
	wantCode(t, err, sx.CodeBadCredentials)
	address, cookie = o.begin(t) // nor is a sign-in a link
	_, err = o.finishLink(t, session, o.provider.SignIn(t, address, "ada"), cookie)
	wantCode(t, err, sx.CodeBadCredentials)

	// A sign-in that has ended links nothing.
	address, cookie = o.beginLink(t, session)
	returned = o.provider.SignIn(t, address, "ada")
	if _, refused := o.send(t, http.MethodPost, api.PathLogout, "", "Authorization", "Bearer "+session); refused.Code != "" {
		t.Fatal(refused)
	}
	_, err = o.finishLink(t, session, returned, cookie)
	wantCode(t, err, sx.CodeUnauthenticated)

	// One person of the organisation has one account.
	if _, err := o.link(t, o.browse(t, "lovelace"), "ada"); err != nil {
		t.Fatal(err)
	}
	_, err = o.link(t, other, "ada")
	wantCode(t, err, sx.CodeConflict)
}

// TestLinkingWithoutAProvider checks that the answer does not depend on the password.
func TestLinkingWithoutAProvider(t *testing.T) {
	t.Parallel()
	o := &organisation{fixture: start(t)}
	o.register(t, "ada")
	session := o.browse(t, "ada")
	for _, proof := range []string{password, "wrong password"} {
		_, err := o.post(t, api.PathBindingStart, api.PasswordProof{Password: proof}, nil, "Authorization", "Bearer "+session)
		wantCode(t, err, sx.CodeNotFound)
	}
}

func TestUnlinkNeedsAPassword(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	_, session, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.post(t, api.PathUnbind, api.PasswordProof{}, nil, "Authorization", "Bearer "+session)
	wantCode(t, err, sx.CodeConflict)
}

// TestErasureRemovesTheBinding checks that who comes back after the deletion of the
// account is new.
func TestErasureRemovesTheBinding(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	before, session, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = o.post(t, api.PathDelete, api.AccountDeletion{}, nil, "Authorization", "Bearer "+session); err != nil {
		t.Fatal(err)
	}
	o.othersErase(t, before.ID)
	o.clock.Advance(time.Hour)
	o.run(t)
	o.waitForErasure(t, before.ID)
	o.clock.Set(time.Now())
	id := sx.BindingID(o.provider.Issuer, "1001")
	if _, err := o.store.Bindings.ByID(t.Context(), id); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("the binding: %v", err)
	}
	after, _, err := o.signIn(t, "ada")
	if err != nil || after.ID == before.ID || after.Name != "ada" {
		t.Errorf("got %+v, %v", after, err)
	}
}

// TestLeftBinding checks that a binding whose account does not name it, as after a crash
// between the steps of linking or unlinking, signs in nobody to that account.
func TestLeftBinding(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	own := o.register(t, "lovelace")
	b := sx.Binding{ID: sx.BindingID(o.provider.Issuer, "1001"), Issuer: o.provider.Issuer, Subject: "1001", UserID: own.User.ID}
	if err := o.store.Bindings.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	user, _, err := o.signIn(t, "ada")
	if err != nil || user.ID == own.User.ID || user.Name != "ada" {
		t.Errorf("signed in as %+v, %v", user, err)
	}
	// The person has one account, and the other one cannot be linked with them any more.
	_, err = o.link(t, o.browse(t, "lovelace"), "ada")
	wantCode(t, err, sx.CodeConflict)
}
