package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

func (b *fixture) resetCode(t *testing.T, admin api.Tokens, name string) string {
	t.Helper()
	got, err := b.as(t, admin.AccessToken).ResetPassword(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Expires.Equal(b.clock.Now().Add(24*time.Hour)) || !strings.HasPrefix(got.Code, api.ResetPrefix) {
		t.Fatalf("got %+v", got)
	}
	return got.Code
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	_, err := b.as(t, ada.AccessToken).ResetPassword(t.Context(), "root")
	wantCode(t, err, sx.CodeForbidden)
	_, err = b.as(t, root.AccessToken).ResetPassword(t.Context(), "nobody")
	wantCode(t, err, sx.CodeNotFound)

	first := b.resetCode(t, root, "ada")
	code := b.resetCode(t, root, "ada")
	list, _, err := b.store.Users.List(t.Context(), "", 0)
	if err != nil || strings.Contains(fmt.Sprint(list), code) || strings.Contains(b.logs.String(), code) {
		t.Errorf("the code itself is stored or logged: %v", err)
	}
	if _, err := b.as(t, ada.AccessToken).Me(t.Context()); err != nil {
		t.Errorf("a code that was not used ended a sign-in: %v", err)
	}
	for name, in := range map[string]api.Recovery{
		"no code": {NewPassword: newPassword}, "an earlier code": {Code: first, NewPassword: newPassword},
		"a changed code": {Code: code[:len(code)-1] + "0", NewPassword: newPassword},
		"no account":     {Code: token.NewSecret(api.ResetPrefix, sx.NewID()), NewPassword: newPassword},
		"another code":   {Code: token.NewSecret(api.ResetPrefix, ada.User.ID), NewPassword: newPassword},
	} {
		if _, err := b.Recover(t.Context(), in); sx.CodeOf(err) != sx.CodeBadCredentials {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = b.Recover(t.Context(), api.Recovery{Code: code, NewPassword: "short"})
	wantCode(t, err, sx.CodeInvalid) // and stays valid

	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := b.Recover(t.Context(), api.Recovery{Code: code, NewPassword: newPassword})
			errs <- err
		}()
	}
	used := 0
	for range cap(errs) {
		switch err := <-errs; sx.CodeOf(err) {
		case "":
			used++
		case sx.CodeBadCredentials:
		default:
			t.Error(err)
		}
	}
	if used != 1 {
		t.Errorf("the code was used %d times", used)
	}
	_, err = b.as(t, ada.AccessToken).Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: ada.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeBadCredentials)
	if _, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: newPassword}); err != nil {
		t.Error(err)
	}
	if got := b.audited(t, root, "ada", time.Time{}); !slices.Contains(got, "root reset_password ada ok") || !slices.Contains(got, "ada recover ada ok") {
		t.Errorf("recorded %q", got)
	}
}

func TestResetCodesEnd(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	code := b.resetCode(t, root, "ada")
	b.clock.Advance(24 * time.Hour)
	_, err := b.Recover(t.Context(), api.Recovery{Code: code, NewPassword: newPassword})
	wantCode(t, err, sx.CodeBadCredentials)

	if ada, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: ada.RefreshToken}); err != nil {
		t.Fatal(err)
	}
	if root, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: root.RefreshToken}); err != nil {
		t.Fatal(err)
	}
	code = b.resetCode(t, root, "ada")
	if _, err = b.as(t, ada.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: newPassword}); err != nil {
		t.Fatal(err)
	}
	_, err = b.Recover(t.Context(), api.Recovery{Code: code, NewPassword: newPassword})
	wantCode(t, err, sx.CodeBadCredentials) // the password was changed meanwhile

	code = b.resetCode(t, root, "ada")
	if _, err := b.as(t, root.AccessToken).Disable(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Recover(t.Context(), api.Recovery{Code: code, NewPassword: newPassword})
	wantCode(t, err, sx.CodeAccountDisabled)
}
