package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Registration says who may make an account; "" is open.
type Registration string

// The values of Registration.
const (
	RegistrationOpen       Registration = "open"
	RegistrationInvitation Registration = "invitation"
	RegistrationClosed     Registration = "closed"
)

// Set takes one of the values, as a flag's value does.
func (v *Registration) Set(text string) error {
	switch r := Registration(text); r {
	case RegistrationOpen, RegistrationInvitation, RegistrationClosed:
		*v = r
		return nil
	default:
		return fmt.Errorf("%q is none of open, invitation, closed", text)
	}
}

// String is the value as it is written.
func (v *Registration) String() string { return string(*v) }

// Type is what the help calls the value.
func (v *Registration) Type() string { return "mode" }

// enroll makes the account if it may be made.
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
			s.cfg.Log.WarnContext(ctx, "an invitation is lost to a name that was taken", "invitation", by.invitation, "error", lost)
		}
	}
	return user, err
}

// admission is by what a new account may be made.
type admission struct {
	admin      bool
	invitation string // its id, "" when none is used up
}

// admit decides whether an account of the name may be made with a code of an
// invitation, which may be "". It comes before the name is looked at, so that
// strangers cannot ask a closed server for its names.
func (s *Service) admit(ctx context.Context, name, code string) (admission, error) {
	if s.cfg.Admin != "" && name == s.cfg.Admin {
		// The name itself is used once, so this code is too.
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
		return admission{}, sx.NewError(sx.CodeRegistrationClosed, "this server takes no new accounts")
	case code != "":
		return s.redeem(ctx, name, code)
	case s.cfg.Registration == RegistrationInvitation:
		return admission{}, sx.NewError(sx.CodeRegistrationClosed, "this server takes new accounts by invitation only").
			WithHint("ask an administrator for a code, then: sx register NAME --invitation CODE")
	default:
		return admission{}, nil
	}
}

// redeem uses an invitation up for the name by one compare-and-set. Should the
// process die before the account is stored, the same code and name go on.
func (s *Service) redeem(ctx context.Context, name, code string) (admission, error) {
	bad := sx.NewError(sx.CodeBadInvitation, "the invitation is not known, used up or expired")
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
				err = sx.NewError(sx.CodeNameTaken, "the name %s is taken", name) // the invitation stays good
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

// releaseInvitation makes an invitation good again whose name went to an account that
// was made without it.
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
