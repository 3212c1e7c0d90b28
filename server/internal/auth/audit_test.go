package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// audited returns the entries, oldest first, as "actor action account result".
func (b *fixture) audited(t *testing.T, admin api.Tokens, account string, since time.Time) (lines []string) {
	t.Helper()
	after := ""
	for {
		page, err := b.as(t, admin.AccessToken).Audit(t.Context(), account, since, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if e.Address != "127.0.0.1" {
				t.Errorf("the entry %+v has another address", e)
			}
			lines = append(lines, strings.Join([]string{e.Actor, e.Action, e.Account, e.Result}, " "))
		}
		if after = page.Next; after == "" {
			slices.Reverse(lines)
			return lines
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	begin := b.clock.Now()
	// Entries of one millisecond are in no particular order.
	step := func() { b.clock.Advance(time.Second) }
	root := b.registerRoot(t)
	step()
	code := b.invite(t, root)
	step()
	ada, err := b.Register(t.Context(), api.Credentials{Name: "ada", Password: password, Invitation: code})
	if err != nil {
		t.Fatal(err)
	}
	step()
	wantCode(t, b.enroll(t, "bob", code), sx.CodeBadInvitation) // a stranger: not recorded
	made, err := b.as(t, ada.AccessToken).CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	step()
	if err := b.as(t, ada.AccessToken).RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	step()
	_, err = b.as(t, ada.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: "a guess", NewPassword: newPassword})
	wantCode(t, err, sx.CodeBadCredentials)
	step()
	if _, err = b.as(t, ada.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: newPassword}); err != nil {
		t.Fatal(err)
	}
	step()
	later := b.clock.Now()
	for _, change := range []func() error{
		func() error { _, err := b.as(t, root.AccessToken).Disable(t.Context(), "ada"); return err },
		func() error { _, err := b.as(t, root.AccessToken).Enable(t.Context(), "ada"); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		step()
	}
	_, err = b.as(t, root.AccessToken).Disable(t.Context(), "root")
	wantCode(t, err, sx.CodeConflict)

	got := b.audited(t, root, "ada", time.Time{})
	// The two entries of a registration are of one moment.
	slices.Sort(got[:2])
	want := []string{
		"ada redeem_invitation ada ok", "ada register ada ok", "ada create_token ada ok", "ada revoke_token ada ok",
		"ada change_password ada bad_credentials", "ada change_password ada ok", "root disable ada ok", "root enable ada ok",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := b.audited(t, root, "", later), append(want[6:], "root disable root conflict"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := b.audited(t, root, "", begin); len(got) != 11 || !slices.Contains(got, "root invite  ok") {
		t.Errorf("got %d entries: %q", len(got), got)
	}
	list, _, err := b.store.Audit.List(t.Context(), store.AuditFilter{Limit: 100})
	if text := fmt.Sprint(list); err != nil || strings.Contains(text, code) || strings.Contains(text, made.Token) {
		t.Errorf("a secret is recorded: %s, %v", text, err)
	}
}

func TestAuditIsForAdministrators(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	_, err := b.as(t, ada.AccessToken).Audit(t.Context(), "", time.Time{}, "", 0)
	wantCode(t, err, sx.CodeForbidden)
	for _, query := range []string{"limit=0", "after=x", "since=yesterday", "account=a/b"} {
		if _, e := b.send(t, "GET", api.PathAudit+"?"+query, "", "Authorization", "Bearer "+root.AccessToken); e.Code != sx.CodeInvalid {
			t.Errorf("%s: got %+v", query, e)
		}
	}
}

// TestAuditCannotBeFilled checks that a user's changes, and so the entries, are limited.
func TestAuditCannotBeFilled(t *testing.T) {
	t.Parallel()
	b := start(t)
	ada := b.as(t, b.register(t, "ada").AccessToken)
	for range 200 {
		wantCode(t, ada.RevokeToken(t.Context(), "none"), sx.CodeNotFound)
	}
	wantCode(t, ada.RevokeToken(t.Context(), "none"), sx.CodeTooManyAttempts)
	list, _, err := b.store.Audit.List(t.Context(), store.AuditFilter{Account: "ada", Limit: 1000})
	if err != nil || len(list) != 201 { // with the registration
		t.Errorf("got %d entries, %v", len(list), err)
	}
}

type failingAudit struct{ store.Audit }

func (failingAudit) Append(context.Context, sx.AuditEntry) error {
	return errors.New("the disk is on fire")
}

// TestAuditFailure checks that a change stays although its entry cannot be stored, and
// that the entry is logged.
func TestAuditFailure(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) { c.Audit = failingAudit{c.Audit} })
	b.register(t, "ada")
	if log := b.logs.String(); !strings.Contains(log, "audit entry not stored") || !strings.Contains(log, `"action":"register"`) {
		t.Errorf("logged %s", log)
	}
}
