package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// linkPurpose is the purpose of transactions that link the account of a browser session,
// which must still be the same when the browser comes back.
func linkPurpose(session sx.Session) string { return "link " + session.ID }

// startBinding begins to link the caller's account. Its password proves that the caller
// is the owner, and not somebody at an unlocked screen.
func (s *Service) startBinding(w http.ResponseWriter, r *http.Request) error {
	var in api.PasswordProof
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, from, err := s.owner(w, r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	session, err := s.browserSession(r)
	if err != nil {
		return err
	}
	switch {
	case s.provider == nil:
		return noProvider()
	case user.Binding != "":
		return alreadyLinked()
	}
	if err := s.checkOwnPassword(r.Context(), from, user, in.Password); err != nil {
		s.record(r, user.Name, sx.AuditLink, user.Name, err)
		return err
	}
	return s.redirect(w, r, linkPurpose(session))
}

func alreadyLinked() *sx.Error {
	return sx.NewError(sx.CodeConflict, "the account is already linked").WithHint("unlink it first")
}

// browserSession returns the browser session that authenticates the request.
func (s *Service) browserSession(r *http.Request) (sx.Session, error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return sx.Session{}, err
	}
	if !token.IsBrowser(raw) {
		return sx.Session{}, sx.NewError(sx.CodeForbidden, "only a browser can do this").WithHint("use the web page")
	}
	_, session, err := s.byBrowser(r.Context(), raw)
	return session, err
}

// bind links the caller's account with whom the provider has authenticated.
func (s *Service) bind(w http.ResponseWriter, r *http.Request) error {
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	session, err := s.browserSession(r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	who, err := s.returned(w, r, linkPurpose(session))
	if err == nil {
		user, err = s.bindUser(r.Context(), user, who)
	}
	s.record(r, user.Name, sx.AuditLink, user.Name, err)
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "account linked", "account", user.ID)
	api.Write(w, http.StatusOK, s.toAPI(user))
	return nil
}

// bindUser stores the binding and then its ID in the account. After a crash in between,
// the account is not linked, and the binding belongs to whoever uses it next.
func (s *Service) bindUser(ctx context.Context, user sx.User, who person) (sx.User, error) {
	want := sx.Binding{ID: sx.BindingID(s.cfg.OIDC.Issuer, who.subject), Issuer: s.cfg.OIDC.Issuer, Subject: who.subject, UserID: user.ID}
	old, err := s.cfg.Bindings.ByID(ctx, want.ID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		err = s.cfg.Bindings.Create(ctx, want)
	case err != nil:
	default:
		var owner sx.User
		owner, err = s.cfg.Users.ByID(ctx, old.UserID)
		if err == nil && owner.Binding == want.ID && owner.ID != user.ID {
			return user, sx.NewError(sx.CodeConflict, "another account of this server is linked with this sign-in of your organisation").
				WithHint("use that account, or delete it first")
		}
		if err == nil || sx.CodeOf(err) == sx.CodeNotFound {
			want.Rev = old.Rev
			err = s.cfg.Bindings.Replace(ctx, want)
		}
	}
	if sx.CodeOf(err) == sx.CodeConflict || errors.Is(err, store.ErrStale) {
		return user, changedMeanwhile()
	}
	if err != nil {
		return user, err
	}
	return store.Update(ctx, user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		switch {
		case u.Blocked():
			return blocked(*u)
		case u.Epoch != user.Epoch:
			return changedMeanwhile()
		case u.Binding != "":
			return alreadyLinked()
		}
		u.Binding = want.ID
		return nil
	})
}

func changedMeanwhile() *sx.Error {
	return sx.NewError(sx.CodeConflict, "the account was changed by another request at the same time").
		WithHint("sign in, then try again if that is still needed")
}

// removeBinding unlinks the caller's account, which must have a password that works.
func (s *Service) removeBinding(w http.ResponseWriter, r *http.Request) error {
	var in api.PasswordProof
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	return s.changeOwn(w, r, sx.AuditUnlink, func(user sx.User, from origin) error {
		if err := s.checkPasswords(user.Name); err != nil {
			return err
		}
		if user.PasswordHash == "" {
			return sx.NewError(sx.CodeConflict, "the account has no password, and could not be used any more").
				WithHint("ask an administrator for a code that sets one")
		}
		if err := s.checkOwnPassword(r.Context(), from, user, in.Password); err != nil {
			return err
		}
		id := user.Binding
		_, err := store.Update(r.Context(), user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
			if u.Binding != id || u.PasswordHash != user.PasswordHash {
				return changedMeanwhile()
			}
			u.Binding, u.GroupAdminUntil = "", time.Time{}
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.unbind(r.Context(), id, user.ID); err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "account unlinked", "account", user.ID)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// unbind deletes a binding, unless it belongs to another account than that of the user.
func (s *Service) unbind(ctx context.Context, id, userID string) error {
	b, err := s.cfg.Bindings.ByID(ctx, id)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && b.UserID != userID {
		return nil
	}
	if err != nil {
		return err
	}
	return s.cfg.Bindings.Delete(ctx, id)
}

// freshSignIn is how long a sign-in through the organisation stands for a password.
const freshSignIn = 10 * time.Minute

// proveOwner returns an error unless the request proves that it comes from the owner of
// the account: by the password or, where that is "", by a sign-in through the organisation
// a short time ago.
func (s *Service) proveOwner(r *http.Request, from origin, user sx.User, password string) error {
	if password != "" || user.Binding == "" {
		return s.checkOwnPassword(r.Context(), from, user, password)
	}
	raw, _ := token.Bearer(r.Header)
	var session sx.Session
	var err error
	if token.IsBrowser(raw) {
		_, session, err = s.byBrowser(r.Context(), raw)
	} else {
		_, session, err = s.byAccessToken(r.Context(), raw)
	}
	if err != nil {
		return err
	}
	signedIn := session.Until.Add(-organisationSignIn)
	if session.Until.IsZero() || s.cfg.Now().Sub(signedIn) >= freshSignIn {
		return sx.NewError(sx.CodeBadCredentials, "the last sign-in through your organisation is too long ago").
			WithHint("sign in again, then repeat this within %d minutes", int(freshSignIn.Minutes()))
	}
	return nil
}
