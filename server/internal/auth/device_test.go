package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/oidcprovider"
)

func devicePath(code string) string { return strings.Replace(api.PathDevice, "{code}", code, 1) }

// newDevice begins the sign-in of a program.
func (b *fixture) newDevice(t *testing.T) api.NewDevice {
	t.Helper()
	d, err := b.CreateDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decide answers in a browser.
func (o *organisation) decide(t *testing.T, session, code string, approve bool) error {
	t.Helper()
	_, err := o.post(t, devicePath(code), api.DeviceDecision{Approve: approve}, nil, "Authorization", "Bearer "+session)
	return err
}

func TestDevice(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, []oidcprovider.Person{ada()})
	user, session, err := o.signIn(t, "ada")
	if err != nil {
		t.Fatal(err)
	}
	d := o.newDevice(t)
	if tokens, err := o.DeviceTokens(t.Context(), d.Code); err != nil || tokens.AccessToken != "" {
		t.Fatalf("before the approval: %+v, %v", tokens, err)
	}
	var shown api.Device
	typed := strings.ToLower(strings.ReplaceAll(d.UserCode, "-", "")) // as a person may write it
	if err := o.get(t, devicePath(typed), session, &shown); err != nil || shown.UserCode != d.UserCode || shown.Address != "127.0.0.1" {
		t.Errorf("the page shows %+v, %v", shown, err)
	}
	if err := o.decide(t, session, d.UserCode, true); err != nil {
		t.Fatal(err)
	}
	wantCode(t, o.decide(t, session, d.UserCode, true), sx.CodeNotFound)
	tokens, err := o.DeviceTokens(t.Context(), d.Code)
	if err != nil || tokens.User.ID != user.ID {
		t.Fatalf("got %+v, %v", tokens, err)
	}
	if me, err := o.as(t, tokens.AccessToken).Me(t.Context()); err != nil || me.ID != user.ID {
		t.Errorf("signed in as %+v, %v", me, err)
	}
	_, err = o.DeviceTokens(t.Context(), d.Code) // once
	wantCode(t, err, sx.CodeBadCredentials)
	// It ends with the sign-in through the organisation, whether it is used or not.
	o.clock.Advance(23 * time.Hour)
	refresh := o.rotate(t, tokens.RefreshToken)
	o.clock.Advance(time.Hour)
	_, err = o.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeSessionEnded)
}

func TestDeviceRefuses(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, nil)
	tokens := o.register(t, "ada")
	session := o.browse(t, "ada")
	refused := func(what, code string) {
		t.Helper()
		if _, err := o.DeviceTokens(t.Context(), code); sx.CodeOf(err) != sx.CodeBadCredentials {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("made up", "sxv_abc")
	refused("the user code", o.newDevice(t).UserCode)

	d := o.newDevice(t)
	wantCode(t, o.decide(t, tokens.AccessToken, d.UserCode, true), sx.CodeForbidden) // no browser
	if _, e := o.send(t, http.MethodPost, devicePath(d.UserCode), `{"approve":true}`); e.Code != sx.CodeUnauthenticated {
		t.Errorf("without a sign-in: %+v", e)
	}
	if err := o.decide(t, session, d.UserCode, false); err != nil {
		t.Fatal(err)
	}
	refused("refused", d.Code)

	d = o.newDevice(t)
	o.clock.Advance(api.DeviceLife)
	refused("expired", d.Code)
	wantCode(t, o.decide(t, session, d.UserCode, true), sx.CodeNotFound)

	d = o.newDevice(t)
	if err := o.decide(t, session, d.UserCode, true); err != nil {
		t.Fatal(err)
	}
	if _, err := o.as(t, tokens.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: password + "!"}); err != nil {
		t.Fatal(err)
	}
	refused("approved by a sign-in that has ended", d.Code)
}

// TestGuessingUserCodes checks that nobody tries many codes, not even with a valid code in
// between, and that valid codes do not count.
func TestGuessingUserCodes(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, nil)
	o.register(t, "mallory")
	session := o.browse(t, "mallory")
	own := devicePath(o.newDevice(t).UserCode)
	for i := range 10 {
		for range 2 {
			if err := o.get(t, own, session, &api.Device{}); err != nil {
				t.Fatalf("the own code, after %d others: %v", i, err)
			}
		}
		wantCode(t, o.decide(t, session, "BCDF-GHJK", true), sx.CodeNotFound)
	}
	wantCode(t, o.decide(t, session, "BCDF-GHJK", true), sx.CodeTooManyAttempts)
	wantCode(t, o.get(t, own, session, &api.Device{}), sx.CodeTooManyAttempts)
	o.clock.Advance(30 * time.Second)
	wantCode(t, o.decide(t, session, "BCDF-GHJK", true), sx.CodeNotFound)
	wantCode(t, o.decide(t, session, "BCDF-GHJK", true), sx.CodeTooManyAttempts)
}

// TestGuessingPasswordsWithADevice checks that a valid user code restores no attempts to
// guess the password of the browser's account.
func TestGuessingPasswordsWithADevice(t *testing.T) {
	t.Parallel()
	o := startOrganisation(t, nil)
	o.register(t, "ada")
	session := o.browse(t, "ada")
	proof := api.PasswordProof{Password: strings.Repeat("a", api.MaxPassword+1)} // computes no hash
	paths := []string{api.PathBindingStart, api.PathUnbind, api.PathDelete}
	own := devicePath(o.newDevice(t).UserCode)
	for i := range 11 {
		if err := o.get(t, own, session, &api.Device{}); err != nil {
			t.Fatal(err)
		}
		_, err := o.post(t, paths[i%len(paths)], proof, nil, "Authorization", "Bearer "+session)
		if i < 10 {
			wantCode(t, err, sx.CodeBadCredentials)
		} else {
			wantCode(t, err, sx.CodeTooManyAttempts)
		}
	}
}
