package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// redeem marks an invitation as used by the name, by compare-and-set. After a crash
// before the account is stored, the same code works again for the same name.
func (s *Service) redeem(ctx context.Context, name, code string) (invitation string, err error) {
	bad := sx.NewError(sx.CodeBadInvitation, "the invitation is unknown, used or expired")
	id := token.SecretID(api.InvitationPrefix, code)
	if id == "" {
		return "", bad
	}
	_, err = store.Update(ctx, id, s.cfg.Invitations.ByID, s.cfg.Invitations.Replace, func(v *sx.Invitation) error {
		switch {
		case !equalSecrets(v.Hash, token.Hash(code)), !s.cfg.Now().Before(v.Expires), v.UsedBy != "" && v.UsedBy != name:
			return bad
		case v.UsedBy == name:
			return store.ErrUnchanged
		}
		_, reserved := s.reserved(name)
		_, err := s.cfg.Users.ByName(ctx, name)
		switch {
		case err == nil, reserved:
			return nameTaken(name) // the invitation stays valid
		case sx.CodeOf(err) != sx.CodeNotFound:
			return err
		}
		v.UsedBy = name
		return nil
	})
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return "", bad
	case err != nil && !errors.Is(err, store.ErrUnchanged):
		return "", err
	default:
		return id, nil
	}
}

// releaseInvitation makes an invitation valid again if an account with the name was
// created without it.
func (s *Service) releaseInvitation(ctx context.Context, name, id string) error {
	owner, err := s.cfg.Users.ByName(ctx, name)
	if err != nil || owner.Invitation == id {
		return err
	}
	v, err := s.cfg.Invitations.ByID(ctx, id)
	if err != nil || v.UsedBy != name {
		return err
	}
	v.UsedBy = ""
	return s.cfg.Invitations.Replace(ctx, v)
}

func (s *Service) invite(w http.ResponseWriter, r *http.Request) (err error) {
	var in api.NewInvitation
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	by, err := s.administrator(r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, by); err != nil {
		return err
	}
	defer func() { s.record(r, by.Name, sx.AuditInvite, "", err) }()
	life, err := lifetime(in.ExpiresIn, api.MaxInvitationLife)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	invitation := sx.Invitation{ID: sx.NewID(), Inviter: by.ID, Created: now, Expires: now.Add(life)}
	code := token.NewSecret(api.InvitationPrefix, invitation.ID)
	invitation.Hash = token.Hash(code)
	if err := s.cfg.Invitations.Create(r.Context(), invitation); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "invitation created", "invitation", invitation.ID)
	api.Write(w, http.StatusCreated, api.Invitation{Code: code, Expires: invitation.Expires.UTC()})
	return nil
}
