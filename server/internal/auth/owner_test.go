package auth_test

import (
	"net/http"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// withRoot reserves the name root for an administrator; see registerRoot.
func withRoot(c *auth.Config) { c.Admin, c.AdminCode = "root", adminCode }

func (b *fixture) registerRoot(t *testing.T) api.Tokens {
	t.Helper()
	got, err := b.Register(t.Context(), api.Credentials{Name: "root", Password: password, Invitation: adminCode})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// owner creates the account of a local server's owner and signs it in.
func (b *fixture) owner(t *testing.T) api.Tokens {
	t.Helper()
	if _, err := b.service.EnsureOwner(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	got, err := b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOwner(t *testing.T) {
	t.Parallel()
	secret := token.NewOwner()
	b := start(t, func(c *auth.Config) { c.OwnerToken, c.Registration = secret, auth.RegistrationClosed })
	made, err := b.service.EnsureOwner(t.Context(), "")
	if err != nil || made.Name != auth.OwnerName || !made.Admin || made.PasswordHash != "" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if again, err := b.service.EnsureOwner(t.Context(), ""); err != nil || again.ID != made.ID {
		t.Errorf("a second start: %+v, %v", again, err)
	}
	owner := b.as(t, secret)
	if got, err := owner.Me(t.Context()); err != nil || got.ID != made.ID || !got.Admin {
		t.Errorf("me: %+v, %v", got, err)
	}
	if list, err := owner.Users(t.Context(), "", 0); err != nil || len(list.Users) != 1 {
		t.Errorf("users: %+v, %v", list, err)
	}
	if _, err := owner.CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 60}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{token.NewOwner(), api.OwnerTokenPrefix, secret + "x", secret[:len(secret)-1]} {
		_, err := b.as(t, wrong).Me(t.Context())
		wantCode(t, err, sx.CodeUnauthenticated)
	}

	// Without a password nobody can sign in with one, an empty one least of all.
	for _, try := range []string{"", password} {
		_, err := b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: try})
		wantCode(t, err, sx.CodeBadCredentials)
	}
	if _, err := owner.ChangePassword(t.Context(), api.PasswordChange{NewPassword: password}); err != nil {
		t.Fatal(err)
	}
	signedIn, err := b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.as(t, signedIn.AccessToken).ChangePassword(t.Context(), api.PasswordChange{NewPassword: "another horse"})
	wantCode(t, err, sx.CodeBadCredentials)
	// The owner's token stays valid, and so it helps an owner who has forgotten the password.
	if _, err := owner.ChangePassword(t.Context(), api.PasswordChange{NewPassword: "another horse"}); err != nil {
		t.Error(err)
	}
	if later, err := b.service.EnsureOwner(t.Context(), "a third horse"); err != nil || later.ID != made.ID {
		t.Errorf("got %+v, %v", later, err)
	}
	_, err = b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: "a third horse"})
	wantCode(t, err, sx.CodeBadCredentials) // a password that exists is kept
}

func TestOwnerOfEarlierData(t *testing.T) {
	t.Parallel()
	secret := token.NewOwner()
	b := start(t, withRoot, func(c *auth.Config) { c.OwnerToken = secret })
	b.register(t, "zoe")
	root := b.registerRoot(t)
	owner, err := b.service.EnsureOwner(t.Context(), "")
	if err != nil || owner.ID != root.User.ID {
		t.Errorf("the owner is %s, %v; want the administrator", owner.Name, err)
	}
	if got, err := b.as(t, secret).Me(t.Context()); err != nil || got.Name != "root" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNoOwner(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, raw := range []string{api.OwnerTokenPrefix, token.NewOwner()} {
		res, e := b.send(t, http.MethodGet, api.PathMe, "", "Authorization", "Bearer "+raw)
		if res.StatusCode != http.StatusUnauthorized || e.Code != sx.CodeUnauthenticated {
			t.Errorf("got %s, %+v", res.Status, e)
		}
	}
}

func TestOwnerOfALocalServerIsNotDisabled(t *testing.T) {
	t.Parallel()
	b := start(t)
	owner := b.owner(t)
	_, err := b.as(t, owner.AccessToken).Disable(t.Context(), auth.OwnerName)
	wantCode(t, err, sx.CodeConflict)
	if hint := sx.AsError(err).Hint; hint != "the owner of a local server always administers it" {
		t.Errorf("the hint is %q", hint)
	}
}
