package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Registration says who may register; "" is RegistrationOpen.
type Registration string

// The values of Registration.
const (
	RegistrationOpen       Registration = "open"
	RegistrationInvitation Registration = "invitation"
	RegistrationClosed     Registration = "closed"
)

// Set implements pflag.Value.
func (v *Registration) Set(text string) error {
	switch r := Registration(text); r {
	case RegistrationOpen, RegistrationInvitation, RegistrationClosed:
		*v = r
		return nil
	default:
		return fmt.Errorf("invalid mode %q: use open, invitation or closed", text)
	}
}

// String implements pflag.Value.
func (v *Registration) String() string { return string(*v) }

// Type implements pflag.Value.
func (v *Registration) Type() string { return "mode" }

// enroll creates the account if that is allowed.
func (s *Service) enroll(ctx context.Context, name, password, code string) (sx.User, error) {
	if s.cfg.FirstIsAdmin {
		s.enrolling.Lock()
		defer s.enrolling.Unlock()
	}
	by, err := s.admit(ctx, name, code)
	if err != nil {
		return sx.User{}, err
	}
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return sx.User{}, err
	}
	user := sx.User{
		ID: sx.NewID(), Name: name, PasswordHash: hash, Admin: by.admin, Invitation: by.invitation, Created: s.cfg.Now(),
	}
	err = s.cfg.Users.Create(ctx, user)
	if by.invitation != "" && sx.CodeOf(err) == sx.CodeNameTaken {
		if lost := s.releaseInvitation(ctx, name, by.invitation); lost != nil {
			s.cfg.Log.WarnContext(ctx, "invitation used up for a name that is taken", "invitation", by.invitation, "error", lost)
		}
	}
	return user, err
}

// admission describes why a new account is allowed.
type admission struct {
	admin      bool
	invitation string // id; "" if none is used
}

// admit decides whether an account with the name may be created with an invitation
// code, which may be "". It is called before the name is looked up, so that
// strangers cannot find out which names exist on a closed server.
func (s *Service) admit(ctx context.Context, name, code string) (admission, error) {
	if s.cfg.Admin != "" && name == s.cfg.Admin {
		// The name can be used only once, and so can this code.
		if s.cfg.AdminCode == "" || !equalSecrets(code, s.cfg.AdminCode) {
			return admission{}, sx.NewError(sx.CodeNameTaken, "the name %s is taken", name)
		}
		return admission{}, nil
	}
	if s.cfg.FirstIsAdmin {
		users, _, err := s.cfg.Users.List(ctx, "", 1)
		if err != nil {
			return admission{}, err
		}
		if len(users) == 0 {
			return admission{admin: true}, nil
		}
	}
	switch {
	case s.cfg.Registration == RegistrationClosed:
		return admission{}, sx.NewError(sx.CodeRegistrationClosed, "this server accepts no new accounts")
	case code != "":
		return s.redeem(ctx, name, code)
	case s.cfg.Registration == RegistrationInvitation:
		return admission{}, sx.NewError(sx.CodeRegistrationClosed, "this server accepts new accounts by invitation only").
			WithHint("ask an administrator for an invitation code, then register with it")
	default:
		return admission{}, nil
	}
}

// redeem marks an invitation as used by the name, by compare-and-set. After a crash
// before the account is stored, the same code works again for the same name.
func (s *Service) redeem(ctx context.Context, name, code string) (admission, error) {
	bad := sx.NewError(sx.CodeBadInvitation, "the invitation is unknown, used or expired")
	id := token.SecretID(api.InvitationPrefix, code)
	if id == "" {
		return admission{}, bad
	}
	_, err := store.Update(ctx, id, s.cfg.Invitations.ByID, s.cfg.Invitations.Replace, func(v *sx.Invitation) error {
		switch {
		case !equalSecrets(v.Hash, token.Hash(code)), !s.cfg.Now().Before(v.Expires), v.UsedBy != "" && v.UsedBy != name:
			return bad
		case v.UsedBy == name:
			return store.ErrUnchanged
		}
		if _, err := s.cfg.Users.ByName(ctx, name); sx.CodeOf(err) != sx.CodeNotFound {
			if err == nil {
				err = sx.NewError(sx.CodeNameTaken, "the name %s is taken", name) // the invitation stays valid
			}
			return err
		}
		v.UsedBy = name
		return nil
	})
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return admission{}, bad
	case err != nil && !errors.Is(err, store.ErrUnchanged):
		return admission{}, err
	default:
		return admission{invitation: id}, nil
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

func (s *Service) invite(w http.ResponseWriter, r *http.Request) error {
	var in api.NewInvitation
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	by, err := s.administrator(r)
	if err != nil {
		return err
	}
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
