package auth

import (
	"context"
	"fmt"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Registration says who may register; "" is RegistrationOpen.
type Registration string

// The values of Registration.
const (
	RegistrationOpen       Registration = api.RegistrationOpen
	RegistrationInvitation Registration = api.RegistrationInvitation
	RegistrationClosed     Registration = api.RegistrationClosed
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
func (s *Service) enroll(ctx context.Context, from origin, name, password, code string) (sx.User, error) {
	invitation, err := s.admit(ctx, name, code)
	if err != nil {
		return sx.User{}, err
	}
	hash, err := s.passwords.hash(ctx, from, password)
	if err != nil {
		return sx.User{}, err
	}
	user := sx.User{
		ID: sx.NewID(), Name: name, PasswordHash: hash, Invitation: invitation, Created: s.cfg.Now(),
	}
	err = s.cfg.Users.Create(ctx, user)
	if invitation != "" && sx.CodeOf(err) == sx.CodeNameTaken {
		// Even if the client is gone: the invitation has created no account.
		if lost := s.releaseInvitation(context.WithoutCancel(ctx), name, invitation); lost != nil {
			s.cfg.Log.WarnContext(ctx, "invitation used up for a name that is taken", "invitation", invitation, "error", lost)
		}
	}
	return user, err
}

// admit decides whether an account with the name may be created with an invitation
// code, which may be "", and returns the ID of the invitation that it uses, or "". It
// is called before the name is looked up, so that strangers cannot find out which
// names exist on a closed server; without its code, a reserved name is treated like one
// that is taken.
func (s *Service) admit(ctx context.Context, name, code string) (invitation string, err error) {
	own, reserved := s.reserved(name)
	if own != "" && equalSecrets(code, own) {
		return "", nil // the name can be used only once, and so can this code
	}
	switch {
	case s.cfg.NoPasswords:
		return "", sx.NewError(sx.CodeRegistrationClosed, "this server creates accounts at the sign-in through the organisation only").
			WithHint("sign in through your organisation")
	case s.cfg.Registration == RegistrationClosed:
		return "", sx.NewError(sx.CodeRegistrationClosed, "this server accepts no new accounts")
	case code != "":
		return s.redeem(ctx, name, code)
	case s.cfg.Registration == RegistrationInvitation:
		return "", sx.NewError(sx.CodeRegistrationClosed, "this server accepts new accounts by invitation only").
			WithHint("ask an administrator for an invitation code, then register with it")
	case reserved:
		return "", nameTaken(name)
	default:
		return "", nil
	}
}

// reserved reports whether only a code of its own creates the account, and returns it;
// "" is none.
func (s *Service) reserved(name string) (code string, ok bool) {
	switch name {
	case s.cfg.Admin:
		return s.cfg.AdminCode, true
	case s.cfg.TestAccount:
		return s.cfg.TestAccountCode, true
	default:
		return "", false
	}
}

func nameTaken(name string) error { return sx.NewError(sx.CodeNameTaken, "the name %s is taken", name) }
