package auth

import (
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// setLimits changes the limits of an account. The gateway and the converters read them
// each time that they need them.
func (s *Service) setLimits(w http.ResponseWriter, r *http.Request) error {
	var in api.LimitsEdit
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	ctx, name := r.Context(), r.PathValue("name")
	return s.administer(w, r, sx.AuditSetLimits, name, func(by sx.User) error {
		user, err := s.userByName(ctx, name)
		if err != nil {
			return err
		}
		if user.Erasing {
			return sx.NewError(sx.CodeConflict, "the account %s is being deleted", name)
		}
		own, err := store.Update(ctx, user.ID, s.cfg.Limits.Get, s.cfg.Limits.Replace, in.Apply)
		if err != nil {
			return err
		}
		s.cfg.Log.InfoContext(ctx, "limits of an account changed", "account", user.ID, "by", by.ID)
		api.Write(w, http.StatusOK, api.Account{User: s.toAPI(user), Limits: ownLimits(own)})
		return nil
	})
}

// ownLimits returns nil for an account without its own limits.
func ownLimits(l sx.Limits) *api.Limits {
	if l.None() {
		return nil
	}
	out := api.FromLimits(l)
	return &out
}
