package auth

import (
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

func (s *Service) upgrade(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.administrator(r); err != nil {
		return err
	}
	status, err := s.cfg.Format.Status(r.Context())
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, toUpgrade(status))
	return nil
}

func (s *Service) finishUpgrade(w http.ResponseWriter, r *http.Request) error {
	return s.administer(w, r, sx.AuditFinishUpgrade, "", func(by sx.User) error {
		status, err := s.cfg.Format.Finish(r.Context())
		if err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "upgrade finished", "by", by.ID)
		api.Write(w, http.StatusOK, toUpgrade(status))
		return nil
	})
}

func toUpgrade(s format.Status) api.Upgrade {
	out := api.Upgrade{Final: s.Format == s.Next, Format: s.Format, Next: s.Next, Previous: make([]api.Process, len(s.Behind))}
	if !s.FinalAt.IsZero() {
		out.FinalAt = &s.FinalAt
	}
	for i, p := range s.Behind {
		out.Previous[i] = api.Process{Name: p.Name, Release: p.Release}
	}
	return out
}
