package auth

import (
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// resetPassword creates a code with which the account's user can set a new password. It
// replaces an earlier one. Until it is used, the password and the sign-ins stay valid.
func (s *Service) resetPassword(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return s.administer(w, r, sx.AuditResetPassword, name, func(by sx.User) error {
		if err := s.checkPasswords(name); err != nil {
			return err
		}
		var code string
		user, err := s.updateUser(r.Context(), name, func(u *sx.User) bool {
			code = token.NewSecret(api.ResetPrefix, u.ID)
			u.Reset = sx.ResetCode{Hash: token.Hash(code), Expires: s.cfg.Now().Add(api.ResetCodeLife)}
			return true
		})
		if err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "password reset code created", "account", user.ID, "by", by.ID)
		api.Write(w, http.StatusCreated, api.ResetCode{Code: code, Expires: user.Reset.Expires.UTC()})
		return nil
	})
}

// recoverAccount sets a new password with a code, which is used up by the same
// compare-and-set, and ends all sign-ins, as changePassword does.
func (s *Service) recoverAccount(w http.ResponseWriter, r *http.Request) (err error) {
	var in api.Recovery
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	from := s.origin(r)
	if err := s.limit(w, from, ""); err != nil {
		return err
	}
	user, err := s.byResetCode(r, in.Code)
	if err != nil {
		return err
	}
	// What follows is done by somebody who has a valid code.
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	defer func() { s.record(r, user.Name, sx.AuditRecover, user.Name, err) }()
	if user.Blocked() {
		return blocked(user)
	}
	if err := s.checkPasswords(user.Name); err != nil {
		return err
	}
	if err := checkPassword(user.Name, in.NewPassword); err != nil {
		return err
	}
	hash, err := s.passwords.hash(r.Context(), from, in.NewPassword)
	if err != nil {
		return err
	}
	changed, err := store.Update(r.Context(), user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		switch {
		case !s.resetCodeValid(*u, in.Code):
			return badResetCode()
		case u.Blocked():
			return blocked(*u)
		}
		u.PasswordHash, u.Reset = hash, sx.ResetCode{}
		u.Epoch++
		return nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "password reset", "account", changed.ID)
	return s.signIn(w, r, changed)
}

// byResetCode returns the account that a valid code names.
func (s *Service) byResetCode(r *http.Request, code string) (sx.User, error) {
	id := token.SecretID(api.ResetPrefix, code)
	if id == "" {
		return sx.User{}, badResetCode()
	}
	user, err := s.cfg.Users.ByID(r.Context(), id)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !s.resetCodeValid(user, code) {
		return sx.User{}, badResetCode()
	}
	return user, err
}

func (s *Service) resetCodeValid(u sx.User, code string) bool {
	return u.Reset.Hash != "" && equalSecrets(u.Reset.Hash, token.Hash(code)) && s.cfg.Now().Before(u.Reset.Expires)
}

func badResetCode() *sx.Error {
	return sx.NewError(sx.CodeBadCredentials, "the code is unknown, used or expired").
		WithHint("ask an administrator for another code")
}
