package auth_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// fails names the methods of a store that return an error.
type fails map[string]bool

func (f fails) of(method string) error {
	if f[method] {
		return sx.NewError(sx.CodeUnavailable, "the store is unavailable")
	}
	return nil
}

type failingUsers struct {
	store.Users
	fails
}

func (s failingUsers) ByName(ctx context.Context, name string) (sx.User, error) {
	if err := s.of("user by name"); err != nil {
		return sx.User{}, err
	}
	return s.Users.ByName(ctx, name)
}

func (s failingUsers) Replace(ctx context.Context, u sx.User) error {
	if err := s.of("replace user"); err != nil {
		return err
	}
	return s.Users.Replace(ctx, u)
}

func (s failingUsers) List(ctx context.Context, after string, limit int) ([]sx.User, bool, error) {
	if err := s.of("list users"); err != nil {
		return nil, false, err
	}
	return s.Users.List(ctx, after, limit)
}

type failingInvitations struct {
	store.Invitations
	fails
}

func (s failingInvitations) Create(ctx context.Context, v sx.Invitation) error {
	if err := s.of("create invitation"); err != nil {
		return err
	}
	return s.Invitations.Create(ctx, v)
}

func (s failingInvitations) ByID(ctx context.Context, id string) (sx.Invitation, error) {
	if err := s.of("invitation"); err != nil {
		return sx.Invitation{}, err
	}
	return s.Invitations.ByID(ctx, id)
}

func (s failingInvitations) Replace(ctx context.Context, v sx.Invitation) error {
	if err := s.of("replace invitation"); err != nil {
		return err
	}
	return s.Invitations.Replace(ctx, v)
}

type failingTokens struct {
	store.PersonalTokens
	fails
}

func (s failingTokens) Create(ctx context.Context, v sx.PersonalToken) error {
	if err := s.of("create token"); err != nil {
		return err
	}
	return s.PersonalTokens.Create(ctx, v)
}

func (s failingTokens) ByID(ctx context.Context, id string) (sx.PersonalToken, error) {
	if err := s.of("token"); err != nil {
		return sx.PersonalToken{}, err
	}
	return s.PersonalTokens.ByID(ctx, id)
}

func (s failingTokens) List(ctx context.Context, user string) ([]sx.PersonalToken, error) {
	if err := s.of("list tokens"); err != nil {
		return nil, err
	}
	return s.PersonalTokens.List(ctx, user)
}

func (s failingTokens) Delete(ctx context.Context, id string) error {
	if err := s.of("delete token"); err != nil {
		return err
	}
	return s.PersonalTokens.Delete(ctx, id)
}

func TestStoreMethodsUnavailable(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	admin := b.registerRoot(t)
	code := b.invite(t, admin)
	if err := b.enroll(t, "bob", b.invite(t, admin)); err != nil {
		t.Fatal(err)
	}
	made, err := b.as(t, admin.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 60})
	if err != nil {
		t.Fatal(err)
	}
	f := fails{}
	unavailable := startOn(t, b.store, b.clock, byInvitation, func(c *auth.Config) {
		c.Signer = b.signer
		c.Users, c.Invitations = failingUsers{c.Users, f}, failingInvitations{c.Invitations, f}
		c.PersonalTokens = failingTokens{c.PersonalTokens, f}
	})
	root := unavailable.as(t, admin.AccessToken)
	ctx := t.Context()
	invite := func() error { _, err := root.Invite(ctx, api.NewInvitation{ExpiresIn: 60}); return err }
	enroll := func() error { return unavailable.enroll(t, "carol", code) }
	disable := func() error { _, err := root.Disable(ctx, "bob"); return err }
	disableAdmin := func() error { _, err := root.Disable(ctx, "root"); return err }
	enable := func() error { _, err := root.Enable(ctx, "bob"); return err }
	list := func() error { _, err := root.PersonalTokens(ctx); return err }
	create := func() error { _, err := root.CreateToken(ctx, api.NewToken{Name: "cd", ExpiresIn: 60}); return err }
	revoke := func() error { return root.RevokeToken(ctx, made.ID) }
	me := func() error { _, err := unavailable.as(t, made.Token).Me(ctx); return err }
	users := func() error { _, err := root.Users(ctx, "", 0); return err }
	change := func() error {
		_, err := root.ChangePassword(ctx, api.PasswordChange{OldPassword: password, NewPassword: newPassword})
		return err
	}
	for _, c := range []struct {
		method, name string
		call         func() error
		want         sx.Code
	}{
		{"create invitation", "invite", invite, sx.CodeUnavailable},
		{"invitation", "register", enroll, sx.CodeUnavailable},
		{"user by name", "register", enroll, sx.CodeUnavailable},
		{"replace invitation", "register", enroll, sx.CodeUnavailable},
		{"list users", "users", users, sx.CodeUnavailable},
		{"list users", "disable an administrator", disableAdmin, sx.CodeUnavailable},
		{"user by name", "disable", disable, sx.CodeUnavailable},
		{"replace user", "disable", disable, sx.CodeUnavailable},
		{"list tokens", "disable", disable, sx.CodeUnavailable},
		{"user by name", "enable", enable, sx.CodeUnavailable},
		{"list tokens", "list tokens", list, sx.CodeUnavailable},
		{"list tokens", "create token", create, sx.CodeUnavailable},
		{"create token", "create token", create, sx.CodeUnavailable},
		{"token", "revoke", revoke, sx.CodeUnavailable},
		{"delete token", "revoke", revoke, sx.CodeUnavailable},
		{"token", "me", me, sx.CodeUnavailable},
		{"replace user", "change the password", change, sx.CodeUnavailable},
	} {
		f[c.method] = true
		if err := c.call(); sx.CodeOf(err) != c.want {
			t.Errorf("%s without %q: %v", c.name, c.method, err)
		}
		f[c.method] = false
	}
	// Everything succeeds once the store works again.
	for i, call := range []func() error{invite, enroll, users, disable, enable, list, create, me, revoke, change} {
		if err := call(); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// racingUsers stores another change of the user immediately before the first Replace.
type racingUsers struct {
	store.Users
	race *sync.Once
	with func(*sx.User)
}

func (s racingUsers) Replace(ctx context.Context, u sx.User) error {
	var err error
	s.race.Do(func() {
		var other sx.User
		if other, err = s.ByID(ctx, u.ID); err == nil {
			s.with(&other)
			err = s.Users.Replace(ctx, other)
		}
	})
	if err != nil {
		return err
	}
	return s.Users.Replace(ctx, u)
}

// TestPasswordChangeMeetsAnother checks that changing a password fails if another request
// changes it or disables the account at the same time, but not if there is a sign-in at
// the same time.
func TestPasswordChangeMeetsAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with func(*sx.User)
		want sx.Code
	}{
		"another password": {func(u *sx.User) { u.Epoch++ }, sx.CodeConflict},
		"disabled":         {func(u *sx.User) { u.Disabled = true }, sx.CodeConflict},
		"a sign-in":        {func(u *sx.User) { u.Networks = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			ada := b.register(t, "ada")
			racing := startOn(t, b.store, b.clock, func(cfg *auth.Config) {
				cfg.Signer = b.signer
				cfg.Users = racingUsers{cfg.Users, new(sync.Once), c.with}
			})
			_, err := racing.as(t, ada.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: newPassword})
			wantCode(t, err, c.want)
		})
	}
}

// TestPartiallyDisabled checks that the record's Disabled is enough: a crash while
// disabling may leave a token, and another version may have left the epoch.
func TestPartiallyDisabled(t *testing.T) {
	t.Parallel()
	b := start(t)
	bob := b.register(t, "bob")
	made, err := b.as(t, bob.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	user, err := b.store.Users.ByName(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	if err := b.store.Users.Replace(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{bob.AccessToken, made.Token} {
		_, err = b.as(t, token).Me(t.Context())
		wantCode(t, err, sx.CodeUnauthenticated)
	}
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: bob.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
}

func TestExpiredRecordsAreRemoved(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	admin := b.registerRoot(t)
	b.invite(t, admin)
	for name, seconds := range map[string]int{"old": 60, "new": int((40 * 24 * time.Hour).Seconds())} {
		if _, err := b.as(t, admin.AccessToken).CreateToken(t.Context(), api.NewToken{Name: name, ExpiresIn: seconds}); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.Advance(31 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.service.Run(ctx) }()
	testkit.Eventually(t, "the old token is removed", func() bool {
		list, err := b.store.PersonalTokens.List(t.Context(), admin.User.ID)
		return err == nil && len(list) == 1 && list[0].Name == "new"
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
