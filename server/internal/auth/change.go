package auth

import (
	"context"
	"net/http"

	"github.com/soundextract/sx/server/sx"
)

// administer makes a change that only an administrator may make. It limits how many changes
// each of them may make, and records each change with its result. account is the name of
// the account that is changed; "" is none.
func (s *Service) administer(w http.ResponseWriter, r *http.Request, action sx.AuditAction, account string, change func(by sx.User) error) error {
	by, err := s.administrator(r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, by); err != nil {
		return err
	}
	err = change(by)
	s.record(r, by.Name, action, account, err)
	return err
}

// changeOwn makes a change to the account of the caller that needs the password. The
// attempts are counted by user: strangers who try the name do not matter here.
func (s *Service) changeOwn(w http.ResponseWriter, r *http.Request, action sx.AuditAction, change func(user sx.User, from origin) error) error {
	user, from, err := s.owner(w, r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	err = change(user, from)
	s.record(r, user.Name, action, user.Name, err)
	return err
}

// owner returns the caller, whose password is checked next, and counts the attempt.
func (s *Service) owner(w http.ResponseWriter, r *http.Request) (sx.User, origin, error) {
	user, err := s.signedIn(r)
	if err != nil {
		return sx.User{}, origin{}, err
	}
	from := s.origin(r)
	from.known = true // proved by the sign-in
	return user, from, tooMany(w, signInAttempts, s.limits.byUser.Reserve(user.ID, s.cfg.Now()))
}

// checkOwnPassword returns an error unless the password is that of the account of the
// caller, which may have none.
func (s *Service) checkOwnPassword(ctx context.Context, from origin, user sx.User, password string) error {
	if user.PasswordHash != "" {
		ok, err := s.passwords.match(ctx, from, password, user.PasswordHash)
		if err != nil {
			return err
		}
		if ok {
			s.limits.byUser.Reset(user.ID)
			return nil
		}
	}
	return sx.NewError(sx.CodeBadCredentials, "the password is wrong").
		WithHint("enter the password that you currently sign in with")
}
