package auth_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// run runs auth's background work until stop is called. It runs a round of each task at
// once.
func (b *fixture) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := b.service.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

// erasure returns the erasure of the user, and whether there is one.
func (b *fixture) erasure(t *testing.T, userID string) (sx.Erasure, bool) {
	t.Helper()
	e, err := b.store.Erasures.Get(context.Background(), userID)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		t.Fatal(err)
	}
	return e, err == nil
}

// othersErase ends the steps of the other services.
func (b *fixture) othersErase(t *testing.T, userID string) {
	t.Helper()
	for {
		e, ok := b.erasure(t, userID)
		if !ok || e.Step != sx.EraseJobs && e.Step != sx.EraseNotifications {
			return
		}
		if wait := e.Due.Sub(b.clock.Now()); wait > 0 {
			b.clock.Advance(wait)
		}
		e.Advance(b.clock.Now())
		if err := b.store.Erasures.Replace(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// waitForErasure waits until there is no erasure.
func (b *fixture) waitForErasure(t *testing.T, userID string) {
	t.Helper()
	testkit.Eventually(t, "the erasure ends", func() bool {
		_, ok := b.erasure(t, userID)
		return !ok
	}, func() any { e, _ := b.erasure(t, userID); return e })
}

func (b *fixture) deletionsOf(t *testing.T, name string) (lines []string) {
	t.Helper()
	list, _, err := b.store.Audit.List(t.Context(), store.AuditFilter{Account: name, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Action == sx.AuditDelete || e.Action == sx.AuditErase {
			lines = append(lines, strings.TrimSpace(e.Actor+" "+string(e.Action)+" "+string(e.Result)))
		}
	}
	slices.Reverse(lines)
	return lines
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	b := start(t, byInvitation)
	root := b.registerRoot(t)
	code := b.invite(t, root)
	ada, err := b.Register(t.Context(), api.Credentials{Name: "ada", Password: password, Invitation: code})
	if err != nil {
		t.Fatal(err)
	}
	me := b.as(t, ada.AccessToken)
	script, err := me.CreateToken(t.Context(), api.NewToken{Name: "ci", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	limit := int64(1)
	if err := b.store.Limits.Replace(t.Context(), sx.Limits{Owner: ada.User.ID, Bytes: &limit}); err != nil {
		t.Fatal(err)
	}
	_, err = me.DeleteAccount(t.Context(), api.AccountDeletion{Password: "incorrect horse"})
	wantCode(t, err, sx.CodeBadCredentials)
	_, err = b.as(t, script.Token).DeleteAccount(t.Context(), api.AccountDeletion{Password: password})
	wantCode(t, err, sx.CodeForbidden)
	b.clock.Advance(time.Second) // entries of one millisecond are in no particular order
	got, err := me.DeleteAccount(t.Context(), api.AccountDeletion{Password: password})
	if err != nil || got.Name != "ada" || got.CompleteAfter.Sub(b.clock.Now()) <= token.Lifetime {
		t.Fatalf("got %+v, %v", got, err)
	}

	// At once nobody can sign in, but the name is not free.
	_, err = me.Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
	_, err = b.as(t, script.Token).Me(t.Context())
	wantCode(t, err, sx.CodeUnauthenticated)
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: ada.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeAccountDisabled)
	if _, err := b.as(t, root.AccessToken).Enable(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeAccountDisabled) // enabling changes nothing
	wantCode(t, b.enroll(t, "ada", b.invite(t, root)), sx.CodeNameTaken)

	b.othersErase(t, ada.User.ID)
	b.run(t)
	b.waitForErasure(t, ada.User.ID)
	_, user := b.store.Users.ByID(t.Context(), ada.User.ID)
	wantCode(t, user, sx.CodeNotFound)
	sessionID, _, _ := strings.Cut(ada.RefreshToken, ".")
	_, session := b.store.Sessions.ByID(t.Context(), sessionID)
	wantCode(t, session, sx.CodeNotFound)
	tokens, err := b.store.PersonalTokens.List(t.Context(), ada.User.ID)
	if err != nil || len(tokens) > 0 {
		t.Errorf("tokens %v are left (%v)", tokens, err)
	}
	if v, err := b.store.Limits.Get(t.Context(), ada.User.ID); err != nil || v.Rev > 0 {
		t.Errorf("limits %+v are left (%v)", v, err)
	}
	// The invitation that created the account cannot create it again.
	wantCode(t, b.enroll(t, "ada", code), sx.CodeBadInvitation)
	if got, want := b.deletionsOf(t, "ada"), []string{"ada delete bad_credentials", "ada delete", "erase"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if root, err = b.Login(t.Context(), api.Credentials{Name: "root", Password: password}); err != nil {
		t.Fatal(err)
	}
	if err := b.enroll(t, "ada", b.invite(t, root)); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}

func TestDeleteUser(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	admin := b.as(t, root.AccessToken)
	_, err := b.as(t, ada.AccessToken).DeleteUser(t.Context(), "root")
	wantCode(t, err, sx.CodeForbidden)
	_, err = admin.DeleteUser(t.Context(), "nobody")
	wantCode(t, err, sx.CodeNotFound)
	_, err = admin.DeleteUser(t.Context(), "root")
	wantCode(t, err, sx.CodeConflict) // needs the password
	_, err = admin.DeleteAccount(t.Context(), api.AccountDeletion{Password: password})
	wantCode(t, err, sx.CodeConflict) // the last administrator
	first, err := admin.DeleteUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Second)
	again, err := admin.DeleteUser(t.Context(), "ada")
	if err != nil || again != first {
		t.Errorf("deleted again: %+v (%v), want %+v", again, err, first)
	}
	if got, err := admin.Users(t.Context(), "", 0); err != nil || !got.Users[0].Deleting || got.Users[1].Deleting {
		t.Errorf("listed %+v, %v", got, err)
	}

	// A deletion that is reverted has ended the sign-ins all the same.
	_, err = store.Update(t.Context(), ada.User.ID, b.store.Users.ByID, b.store.Users.Replace, func(u *sx.User) error {
		u.Erasing = false
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: ada.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
}

// TestDeletionContinues checks the points at which a crash can interrupt auth.
func TestDeletionContinues(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	b.registerRoot(t)
	ada := b.register(t, "ada")
	user, err := b.store.Users.ByID(t.Context(), ada.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	// After the erasure was stored, before the account was marked.
	now := b.clock.Now()
	if err := b.store.Erasures.Create(t.Context(), sx.NewErasure(user, "root", now, now)); err != nil {
		t.Fatal(err)
	}
	stop := b.run(t)
	testkit.Eventually(t, "the account is marked", func() bool {
		e, _ := b.erasure(t, ada.User.ID)
		return e.Step == sx.EraseJobs
	})
	stop()
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeAccountDisabled)
	// After the account and its audit entry, before the erasure.
	b.clock.Advance(time.Second)
	e, _ := b.erasure(t, ada.User.ID)
	e.Step, e.Since, e.Due = sx.EraseAccount, b.clock.Now(), b.clock.Now().Add(time.Hour)
	if err := b.store.Erasures.Replace(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Users.Delete(t.Context(), ada.User.ID); err != nil {
		t.Fatal(err)
	}
	entry := sx.AuditEntry{ID: store.AuditIDOf(e.Since, e.UserID), Time: e.Since, Action: sx.AuditErase, Account: "ada"}
	if err := b.store.Audit.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Hour)
	b.run(t)
	b.waitForErasure(t, ada.User.ID)
	if got, want := b.deletionsOf(t, "ada"), []string{"root delete", "erase"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// TestLastAdministratorStays checks that of two administrators who delete themselves at
// the same time, one stays, and that the owner of a local server cannot.
func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot, func(c *auth.Config) { c.OwnerToken = token.NewOwner() })
	owner, root := b.owner(t), b.registerRoot(t)
	_, err := b.as(t, root.AccessToken).DeleteUser(t.Context(), auth.OwnerName)
	wantCode(t, err, sx.CodeConflict)
	_, err = b.as(t, owner.AccessToken).DeleteAccount(t.Context(), api.AccountDeletion{Password: password})
	wantCode(t, err, sx.CodeConflict)

	two := start(t, withRoot)
	one := two.registerRoot(t)
	other := two.register(t, "ada")
	user, err := two.store.Users.ByID(t.Context(), other.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	user.Admin = true
	if err := two.store.Users.Replace(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 2)
	for _, signedIn := range []api.Tokens{one, other} {
		c := two.as(t, signedIn.AccessToken)
		go func() {
			_, err := c.DeleteAccount(t.Context(), api.AccountDeletion{Password: password})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			wantCode(t, err, sx.CodeConflict)
		}
	}
	left := 0
	for _, name := range []string{"root", "ada"} {
		if _, err := two.Login(t.Context(), api.Credentials{Name: name, Password: password}); err == nil {
			left++
		}
	}
	if left == 0 {
		t.Error("no administrator is left")
	}
}
