package auth

import (
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

// active tells the gateway whether an account can be used: what its owner has shared cannot
// be seen while it is disabled.
func (s *Service) active(w http.ResponseWriter, r *http.Request) error {
	var in api.ActiveRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, err := s.cfg.Users.ByID(r.Context(), in.UserID)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return err
	}
	api.Write(w, http.StatusOK, api.Active{Active: err == nil && !user.Blocked()})
	return nil
}
