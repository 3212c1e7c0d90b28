package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
)

const adminCode = "a code from the installer"

func byInvitation(c *auth.Config) {
	c.Registration, c.FirstIsAdmin = auth.RegistrationInvitation, true
}

// invite creates an invitation as the signed-in administrator.
func (b *fixture) invite(t *testing.T, admin api.Tokens) string {
	t.Helper()
	got, err := b.as(t, admin.AccessToken).Invite(t.Context(), api.NewInvitation{ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Expires.Equal(b.clock.Now().Add(time.Hour)) || !strings.HasPrefix(got.Code, api.InvitationPrefix) {
		t.Fatalf("got %+v", got)
	}
	return got.Code
}

func (b *fixture) enroll(t *testing.T, name, code string) error {
	t.Helper()
	_, err := b.Register(t.Context(), api.Credentials{Name: name, Password: password, Invitation: code})
	return err
}

func TestRegistrationModes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		cfg        auth.Config
		user, code string
		want       sx.Code
		admin      bool
	}{
		{"open", auth.Config{}, "bob", "", "", false},
		{"open with a wrong code", auth.Config{}, "bob", "sxi_x", sx.CodeBadInvitation, false},
		{"closed", auth.Config{Registration: auth.RegistrationClosed}, "bob", "", sx.CodeRegistrationClosed, false},
		{"closed with a code", auth.Config{Registration: auth.RegistrationClosed}, "bob", "sxi_x", sx.CodeRegistrationClosed, false},
		{"by invitation without a code", auth.Config{Registration: auth.RegistrationInvitation}, "bob", "", sx.CodeRegistrationClosed, false},
		{
			"a well-formed code that does not exist",
			auth.Config{Registration: auth.RegistrationInvitation},
			"bob", "sxi_" + strings.Repeat("a", 42), sx.CodeBadInvitation, false,
		},
		{"the first account", auth.Config{FirstIsAdmin: true}, "bob", "", "", true},
		{"the first account of a closed server", auth.Config{Registration: auth.RegistrationClosed, FirstIsAdmin: true}, "bob", "", "", true},
		{"the named administrator", auth.Config{Registration: auth.RegistrationClosed, Admin: "root", AdminCode: adminCode}, "root", adminCode, "", true},
		{"the administrator's name without the code", auth.Config{Admin: "root", AdminCode: adminCode}, "root", "", sx.CodeNameTaken, false},
		{"the administrator's name with a wrong code", auth.Config{Admin: "root", AdminCode: adminCode}, "root", "no", sx.CodeNameTaken, false},
		{"the administrator's name, no code configured", auth.Config{Admin: "root"}, "root", "", sx.CodeNameTaken, false},
		{"another name with the administrator's code", auth.Config{Admin: "root", AdminCode: adminCode}, "bob", adminCode, sx.CodeBadInvitation, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, func(c *auth.Config) {
				c.Registration, c.Admin, c.AdminCode, c.FirstIsAdmin = tt.cfg.Registration, tt.cfg.Admin, tt.cfg.AdminCode, tt.cfg.FirstIsAdmin
			})
			got, err := b.Register(t.Context(), api.Credentials{Name: tt.user, Password: password, Invitation: tt.code})
			wantCode(t, err, tt.want)
			if got.User.Admin != tt.admin {
				t.Errorf("administrator: %v, want %v", got.User.Admin, tt.admin)
			}
			if err == nil { // the same code does not create a second account
				wantCode(t, b.enroll(t, tt.user, tt.code), map[bool]sx.Code{
					true: sx.CodeRegistrationClosed, false: sx.CodeNameTaken,
				}[tt.cfg.Registration == auth.RegistrationClosed && tt.cfg.FirstIsAdmin])
			}
		})
	}
}

func TestRegistrationAsASetting(t *testing.T) {
	t.Parallel()
	var r auth.Registration
	for _, text := range []string{"open", "invitation", "closed"} {
		if err := r.Set(text); err != nil || r.String() != text {
			t.Errorf("%s: got %s, %v", text, r, err)
		}
	}
	if err := r.Set("ajar"); err == nil || r != auth.RegistrationClosed {
		t.Errorf("got %s, %v", r, err)
	}
}

func TestConcurrentFirstAccounts(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) { c.FirstIsAdmin = true })
	var group sync.WaitGroup
	var mu sync.Mutex
	admins := 0
	for i := range 6 {
		group.Go(func() {
			got, err := b.Register(t.Context(), api.Credentials{Name: fmt.Sprintf("user%d", i), Password: password})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if got.User.Admin {
				admins++
			}
		})
	}
	group.Wait()
	if admins != 1 {
		t.Errorf("got %d administrators, want 1", admins)
	}
}

func TestInvitationIsUsedOnce(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	code := b.invite(t, b.register(t, "root"))
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() { errs <- b.enroll(t, fmt.Sprintf("user%d", i), code) }()
	}
	made := 0
	for range cap(errs) {
		switch err := <-errs; sx.CodeOf(err) {
		case "":
			made++
		case sx.CodeBadInvitation:
		default:
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d accounts were created with one invitation", made)
	}
	list, _, err := b.store.Users.List(t.Context(), "", 0)
	if err != nil || len(list) != 2 {
		t.Errorf("got %d accounts, %v", len(list), err)
	}
}

func TestInvitationsThatStayValid(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	admin := b.register(t, "root")
	code := b.invite(t, admin)
	wantCode(t, b.enroll(t, "root", code), sx.CodeNameTaken)
	_, err := b.Register(t.Context(), api.Credentials{Name: "bob", Password: "short", Invitation: code})
	wantCode(t, err, sx.CodeInvalid)
	changed := code[:len(code)-1] + "0"
	wantCode(t, b.enroll(t, "bob", changed), sx.CodeBadInvitation)
	if err := b.enroll(t, "bob", code); err != nil {
		t.Fatal(err)
	}
	late := b.invite(t, admin)
	b.clock.Advance(time.Hour)
	wantCode(t, b.enroll(t, "carol", late), sx.CodeBadInvitation)
}

// TestInvitationAfterACrash checks that after a crash between redeeming the
// invitation and storing the account, the invitation still works for the same
// name.
func TestInvitationAfterACrash(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	code := b.invite(t, b.register(t, "root"))
	failing := startOn(t, b.store, b.clock, byInvitation, func(c *auth.Config) {
		c.Users = failingCreate{c.Users, func() error { return errors.New("power cut") }}
	})
	wantCode(t, failing.enroll(t, "bob", code), sx.CodeInternal)
	wantCode(t, b.enroll(t, "eve", code), sx.CodeBadInvitation)
	if err := b.enroll(t, "bob", code); err != nil {
		t.Fatal(err)
	}
}

// failingCreate is a store of users whose Create is replaced.
type failingCreate struct {
	usersStore
	create func() error
}

// TestInvitationWhoseNameIsLost checks that an invitation stays valid if its
// name goes to an account that was created without it.
func TestInvitationWhoseNameIsLost(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	code := b.invite(t, b.register(t, "root"))
	other := startOn(t, b.store, b.clock)
	late := startOn(t, b.store, b.clock, byInvitation, func(c *auth.Config) {
		c.Users = failingCreate{c.Users, func() error {
			other.register(t, "bob")
			return sx.NewError(sx.CodeNameTaken, "the name bob is taken")
		}}
	})
	wantCode(t, late.enroll(t, "bob", code), sx.CodeNameTaken)
	if err := b.enroll(t, "carol", code); err != nil {
		t.Fatal(err)
	}
}
