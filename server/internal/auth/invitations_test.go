package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
)

func byInvitation(c *auth.Config) {
	withRoot(c)
	c.Registration = auth.RegistrationInvitation
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

func TestInvitationIsUsedOnce(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	code := b.invite(t, b.registerRoot(t))
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
	admin := b.registerRoot(t)
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
	code := b.invite(t, b.registerRoot(t))
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
	code := b.invite(t, b.registerRoot(t))
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

// TestInvitationOfDisconnected is TestInvitationWhoseNameIsLost for somebody who disconnects
// meanwhile.
func TestInvitationOfDisconnected(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	code := b.invite(t, b.registerRoot(t))
	other := startOn(t, b.store, b.clock)
	ctx, disconnect := context.WithCancel(t.Context())
	defer disconnect()
	late := startOn(t, b.store, b.clock, byInvitation, func(c *auth.Config) {
		c.Users = failingCreate{c.Users, func() error {
			other.register(t, "bob")
			disconnect()
			return sx.NewError(sx.CodeNameTaken, "the name bob is taken")
		}}
	})
	body, err := json.Marshal(api.Credentials{Name: "bob", Password: password, Invitation: code})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, api.PathRegister, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	late.service.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatal("nobody has disconnected")
	}
	if err := b.enroll(t, "carol", code); err != nil {
		t.Errorf("the invitation is used up: %v", err)
	}
}
