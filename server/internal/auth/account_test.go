package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

type usersStore = store.Users

func (u failingCreate) Create(context.Context, sx.User) error { return u.create() }

// bearer sends a token with each request.
type bearer string

func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(out)
}

// as returns a client that sends the token.
func (b *fixture) as(t *testing.T, token string) *client.Client {
	t.Helper()
	c, err := client.New(b.url, &http.Client{Transport: bearer(token)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const newPassword = "another horse battery"

func TestPasswordChange(t *testing.T) {
	t.Parallel()
	b := start(t)
	here := b.register(t, "ada")
	there, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, before, after string
		want                sx.Code
	}{
		{"wrong old password", "incorrect horse", newPassword, sx.CodeBadCredentials},
		{"no old password", "", newPassword, sx.CodeBadCredentials},
		{"short new password", password, "horse", sx.CodeInvalid},
	} {
		_, err := b.as(t, here.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: c.before, NewPassword: c.after})
		if sx.CodeOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	next, err := b.as(t, here.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: newPassword})
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []api.Tokens{here, there} {
		_, err := b.as(t, old.AccessToken).Me(t.Context())
		wantCode(t, err, sx.CodeUnauthenticated) // auth refuses it immediately
		_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: old.RefreshToken})
		wantCode(t, err, sx.CodeSessionEnded)
	}
	if _, err := b.as(t, next.AccessToken).Me(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: next.RefreshToken}); err != nil {
		t.Error(err)
	}
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeBadCredentials)
	if _, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: newPassword}); err != nil {
		t.Error(err)
	}
}

// TestPasswordChangesAreLimited checks that a stolen access token cannot be
// used to guess the password.
func TestPasswordChangesAreLimited(t *testing.T) {
	t.Parallel()
	b := start(t)
	ada := b.as(t, b.register(t, "ada").AccessToken)
	var err error
	for range 11 {
		_, err = ada.ChangePassword(t.Context(), api.PasswordChange{OldPassword: "a guess", NewPassword: newPassword})
	}
	wantCode(t, err, sx.CodeTooManyAttempts)
}

func TestPersonalTokens(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	ada := b.as(t, reg.AccessToken)
	for name, in := range map[string]api.NewToken{
		"no name": {ExpiresIn: 60}, "a bad name": {Name: "a b", ExpiresIn: 60}, "no lifetime": {Name: "ci"},
		"lifetime too long": {Name: "ci", ExpiresIn: int(api.MaxTokenLife.Seconds()) + 1},
	} {
		if _, err := ada.CreateToken(t.Context(), in); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	made, err := ada.CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	if err != nil || !made.Expires.Equal(b.clock.Now().Add(time.Hour)) {
		t.Fatalf("got %+v, %v", made, err)
	}
	_, err = ada.CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	wantCode(t, err, sx.CodeConflict)
	stored, err := b.store.PersonalTokens.ByID(t.Context(), made.ID)
	if err != nil || strings.Contains(fmt.Sprint(stored), made.Token) || strings.Contains(b.logs.String(), made.Token) {
		t.Errorf("the token itself is stored or logged: %v", err)
	}
	if list, err := ada.PersonalTokens(t.Context()); err != nil || len(list.Tokens) != 1 || list.Tokens[0] != made.PersonalToken {
		t.Errorf("listed %+v, %v", list, err)
	}

	script := b.as(t, made.Token)
	want := api.Me{User: reg.User, Password: true, Credential: api.Credential{Kind: api.CredentialToken, Name: "ci", Expires: &made.Expires}}
	if me, err := script.Me(t.Context()); err != nil || !reflect.DeepEqual(me, want) {
		t.Errorf("got %+v, %v; want %+v", me, err, want)
	}
	if me, err := ada.Me(t.Context()); err != nil || me.User != reg.User || me.Credential.Kind != api.CredentialSignIn ||
		!me.Credential.Expires.After(made.Expires) {
		t.Errorf("got %+v, %v", me, err)
	}
	_, err = script.PersonalTokens(t.Context())
	wantCode(t, err, sx.CodeForbidden)
	_, err = script.CreateToken(t.Context(), api.NewToken{Name: "x", ExpiresIn: 60})
	wantCode(t, err, sx.CodeForbidden)
	wantCode(t, script.RevokeToken(t.Context(), made.ID), sx.CodeForbidden)
	_, err = script.ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: newPassword})
	wantCode(t, err, sx.CodeForbidden)

	for name, bad := range map[string]string{
		"changed": made.Token[:len(made.Token)-1] + "0", "cut": made.Token[:30], "prefix": "sxp_",
		"unknown": "sxp_" + strings.Repeat("a", 42), "unknown with a checksum": token.NewSecret(api.TokenPrefix, sx.NewID()),
	} {
		if _, err := b.as(t, bad).Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantCode(t, b.as(t, b.register(t, "bob").AccessToken).RevokeToken(t.Context(), made.ID), sx.CodeNotFound)
	wantCode(t, ada.RevokeToken(t.Context(), "none"), sx.CodeNotFound)
	if err := ada.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = script.Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)

	short, err := ada.CreateToken(t.Context(), api.NewToken{Name: "short", ExpiresIn: 60})
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Minute)
	_, err = b.as(t, short.Token).Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
}

func TestTooManyTokens(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	for i := range 95 {
		v := sx.PersonalToken{ID: sx.NewID(), UserID: reg.User.ID, Name: fmt.Sprint(i), Created: b.clock.Now()}
		if err := b.store.PersonalTokens.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	// Concurrent requests cannot exceed the limit.
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			_, err := b.as(t, reg.AccessToken).CreateToken(t.Context(), api.NewToken{Name: fmt.Sprint("at-once-", i), ExpiresIn: 60})
			if err != nil && sx.CodeOf(err) != sx.CodeConflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := b.store.PersonalTokens.List(t.Context(), reg.User.ID)
	if err != nil || len(list) > 100 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	for i := range 100 - len(list) { // concurrent requests may have refused each other
		if _, err := b.as(t, reg.AccessToken).CreateToken(t.Context(), api.NewToken{Name: fmt.Sprint("later", i), ExpiresIn: 60}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.as(t, reg.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "more", ExpiresIn: 60})
	wantCode(t, err, sx.CodeConflict)
}

func TestDisable(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root := b.as(t, b.registerRoot(t).AccessToken)
	bob := b.register(t, "bob")
	script, err := b.as(t, bob.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { _, err := b.as(t, bob.AccessToken).Users(t.Context(), "", 0); return err },
		func() error { _, err := b.as(t, bob.AccessToken).Disable(t.Context(), "root"); return err },
		func() error { _, err := b.as(t, bob.AccessToken).Enable(t.Context(), "bob"); return err },
		func() error {
			_, err := b.as(t, bob.AccessToken).Invite(t.Context(), api.NewInvitation{ExpiresIn: 60})
			return err
		},
	} {
		wantCode(t, call(), sx.CodeForbidden)
	}
	_, err = root.Disable(t.Context(), "root")
	wantCode(t, err, sx.CodeConflict)
	_, err = root.Disable(t.Context(), "nobody")
	wantCode(t, err, sx.CodeNotFound)
	_, err = root.Invite(t.Context(), api.NewInvitation{ExpiresIn: 1})
	wantCode(t, err, sx.CodeInvalid)
	for range 2 { // repeating it changes nothing
		if got, err := root.Disable(t.Context(), "bob"); err != nil || !got.Disabled {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: bob.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
	for _, token := range []string{bob.AccessToken, script.Token} {
		_, err = b.as(t, token).Me(t.Context())
		wantCode(t, err, sx.CodeUnauthenticated)
	}
	_, err = b.Login(t.Context(), api.Credentials{Name: "bob", Password: password})
	wantCode(t, err, sx.CodeAccountDisabled)
	_, err = b.Login(t.Context(), api.Credentials{Name: "bob", Password: newPassword})
	wantCode(t, err, sx.CodeBadCredentials) // reveals nothing to those who guess the password

	for range 2 {
		if got, err := root.Enable(t.Context(), "bob"); err != nil || got.Disabled {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if _, err := b.Login(t.Context(), api.Credentials{Name: "bob", Password: password}); err != nil {
		t.Error(err)
	}
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: bob.RefreshToken}) // ended sessions do not become valid again
	wantCode(t, err, sx.CodeSessionEnded)
	_, err = b.as(t, script.Token).Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
}

// countedLists is a store of users that counts the lists of all accounts.
type countedLists struct {
	store.Users
	n *atomic.Int32
}

func (s countedLists) List(ctx context.Context, after string, limit int) ([]sx.User, bool, error) {
	s.n.Add(1)
	return s.Users.List(ctx, after, limit)
}

// TestDisablingOthersReadsNoList checks that other administrators are looked for, among all
// accounts, only where an administrator is disabled or deleted.
func TestDisablingOthersReadsNoList(t *testing.T) {
	t.Parallel()
	var lists atomic.Int32
	b := start(t, func(c *auth.Config) {
		withRoot(c)
		c.Users = countedLists{c.Users, &lists}
	})
	root := b.as(t, b.registerRoot(t).AccessToken)
	b.register(t, "bob")
	for range 2 {
		if _, err := root.Disable(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.DeleteUser(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if n := lists.Load(); n > 0 {
		t.Errorf("the accounts were listed %d times", n)
	}
}

func TestUserList(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) { c.Admin, c.AdminCode = "root", adminCode })
	for _, name := range []string{"bob", "ada"} {
		b.register(t, name)
	}
	admin, err := b.Register(t.Context(), api.Credentials{Name: "root", Password: password, Invitation: adminCode})
	if err != nil {
		t.Fatal(err)
	}
	root := b.as(t, admin.AccessToken)
	first, err := root.Users(t.Context(), "", 2)
	if err != nil || len(first.Users) != 2 || first.Users[0].Name != "ada" || first.Next != "bob" {
		t.Fatalf("got %+v, %v", first, err)
	}
	rest, err := root.Users(t.Context(), first.Next, 0)
	if err != nil || len(rest.Users) != 1 || !rest.Users[0].Admin || rest.Next != "" {
		t.Fatalf("got %+v, %v", rest, err)
	}
	for _, limit := range []string{"0", "501", "x"} {
		res, e := b.send(t, http.MethodGet, api.PathUsers+"?limit="+limit, "", "Authorization", "Bearer "+admin.AccessToken)
		if res.StatusCode != http.StatusBadRequest || e.Code != sx.CodeInvalid {
			t.Errorf("limit %s: %d %s", limit, res.StatusCode, e.Code)
		}
	}
}

// TestAdministratorsAgainstEachOther checks that two administrators cannot
// disable each other at the same time.
func TestAdministratorsAgainstEachOther(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	one, root := b.owner(t), b.registerRoot(t)
	done := make(chan error, 2)
	go func() { _, err := b.as(t, one.AccessToken).Disable(t.Context(), "root"); done <- err }()
	go func() { _, err := b.as(t, root.AccessToken).Disable(t.Context(), auth.OwnerName); done <- err }()
	for range 2 {
		switch err := <-done; sx.CodeOf(err) {
		case "", sx.CodeConflict, sx.CodeUnauthenticated, sx.CodeForbidden:
		default:
			t.Error(err)
		}
	}
	list, _, err := b.store.Users.List(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	enabled := 0
	for _, u := range list {
		if !u.Disabled {
			enabled++
		}
	}
	if enabled == 0 {
		t.Error("no administrator is left")
	}
}

// rivals is a store of users that disables the other administrator right after
// the first one is disabled.
type rivals struct {
	store.Users
	other string
	once  *sync.Once
}

func (s rivals) Replace(ctx context.Context, u sx.User) (err error) {
	if err = s.Users.Replace(ctx, u); err == nil && u.Disabled {
		s.once.Do(func() {
			var other sx.User
			if other, err = s.ByName(ctx, s.other); err == nil {
				other.Disabled = true
				err = s.Users.Replace(ctx, other)
			}
		})
	}
	return err
}

func TestLastAdministratorIsRestored(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) {
		withRoot(c)
		c.Users = rivals{c.Users, "root", &sync.Once{}}
	})
	b.owner(t)
	root := b.registerRoot(t)
	_, err := b.as(t, root.AccessToken).Disable(t.Context(), auth.OwnerName)
	wantCode(t, err, sx.CodeConflict)
	if _, err := b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: password}); err != nil {
		t.Errorf("no administrator is left: %v", err)
	}
}

// disconnect is the key of what ends the request of an administrator.
type disconnect struct{}

// disconnectingRivals ends the request once the rival has changed the other account.
type disconnectingRivals struct{ rivals }

func (s disconnectingRivals) Replace(ctx context.Context, u sx.User) error {
	err := s.rivals.Replace(ctx, u)
	if end, ok := ctx.Value(disconnect{}).(context.CancelFunc); ok {
		end()
	}
	return err
}

// TestLastAdministratorIsRestoredForNobody is TestLastAdministratorIsRestored for an
// administrator who disconnects meanwhile.
func TestLastAdministratorIsRestoredForNobody(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) {
		withRoot(c)
		c.Users = disconnectingRivals{rivals{c.Users, "root", &sync.Once{}}}
	})
	b.owner(t)
	root := b.registerRoot(t)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	r := httptest.NewRequestWithContext(context.WithValue(ctx, disconnect{}, end), http.MethodPost,
		strings.Replace(api.PathDisable, "{name}", auth.OwnerName, 1), nil)
	r.Header.Set("Authorization", "Bearer "+root.AccessToken)
	b.service.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatal("the administrator has not disconnected")
	}
	if _, err := b.Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: password}); err != nil {
		t.Errorf("no administrator is left: %v", err)
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	made, err := b.as(t, reg.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 60})
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(body string) (int, api.Exchanged) {
		t.Helper()
		res, err := http.Post(b.url+api.PathExchange, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var out api.Exchanged
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, out
	}
	status, out := exchange(`{"token":"` + made.Token + `"}`)
	claims, err := token.NewVerifier(token.FetchURL(http.DefaultClient, b.url+api.PathKeys), b.clock.Now).Verify(t.Context(), out.AccessToken)
	if status != http.StatusOK || err != nil || claims.UserID != reg.User.ID || claims.UserName != "ada" {
		t.Errorf("got %d, %+v, %v", status, claims, err)
	}
	// Auth itself refuses the new access token, which would bypass the limits
	// of personal tokens.
	_, err = b.as(t, out.AccessToken).PersonalTokens(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
	for body, want := range map[string]int{
		`{"token":"` + reg.AccessToken + `"}`: http.StatusUnauthorized, `{"token":""}`: http.StatusUnauthorized, `{`: http.StatusBadRequest,
	} {
		if status, _ := exchange(body); status != want {
			t.Errorf("%.20s…: got %d, want %d", body, status, want)
		}
	}
}
