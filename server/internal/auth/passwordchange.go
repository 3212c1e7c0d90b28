package auth

import (
	"errors"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// changePassword ends every sign-in of the account, of thieves too, by raising
// its epoch in the same change as the password, and answers with a new one.
// Personal tokens stay: they are ended by name.
func (s *Service) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in api.PasswordChange
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	if err := s.limit(w, r, user.Name); err != nil {
		return err
	}
	ok, err := s.passwords.match(r.Context(), in.OldPassword, user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		return sx.NewError(sx.CodeBadCredentials, "the old password is wrong").
			WithHint("run the command again with the password that you sign in with now")
	}
	s.byName.reset(user.Name)
	if err := checkPassword(user.Name, in.NewPassword); err != nil {
		return err
	}
	if user.PasswordHash, err = s.passwords.hash(r.Context(), in.NewPassword); err != nil {
		return err
	}
	user.Epoch++
	err = s.cfg.Users.Replace(r.Context(), user)
	if errors.Is(err, store.ErrStale) { // another change of the password, most likely
		return sx.NewError(sx.CodeConflict, "the account was changed by someone else at the same moment").
			WithHint("sign in with: sx login, then try again if it is still needed")
	}
	if err != nil {
		return err
	}
	user.Rev++
	s.cfg.Log.InfoContext(r.Context(), "password changed")
	return s.signIn(w, r, user)
}
