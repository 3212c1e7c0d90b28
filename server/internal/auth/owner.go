package auth

import (
	"context"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// OwnerName is the name of the account that EnsureOwner creates.
const OwnerName = "owner"

// EnsureOwner returns the owner of a local server, whom Config.OwnerToken signs in:
// the administrator whose account is the oldest, or else a new account that has no
// password. An owner without a password gets the given one; "" leaves it without.
// It must return before requests are served.
func (s *Service) EnsureOwner(ctx context.Context, password string) (sx.User, error) {
	owner, err := s.oldestAdmin(ctx)
	if err != nil {
		return owner, err
	}
	store, action := s.cfg.Users.Replace, sx.AuditChangePassword
	if owner.ID == "" {
		owner = sx.User{ID: sx.NewID(), Name: OwnerName, Admin: true, Created: s.cfg.Now()}
		store, action = s.cfg.Users.Create, sx.AuditRegister
	} else if password == "" || owner.PasswordHash != "" {
		s.ownerID = owner.ID
		return owner, nil
	}
	if password != "" {
		if err := checkPassword(owner.Name, password); err != nil {
			return owner, err
		}
		if owner.PasswordHash, err = s.passwords.hash(ctx, origin{}, password); err != nil {
			return owner, err
		}
	}
	s.ownerID = owner.ID
	if err := store(ctx, owner); err != nil {
		return owner, err
	}
	s.appendAudit(ctx, sx.AuditEntry{Action: action, Account: owner.Name})
	return owner, nil
}

// oldestAdmin returns the administrator whose account is the oldest; without an ID if
// there is none.
func (s *Service) oldestAdmin(ctx context.Context) (oldest sx.User, err error) {
	all, _, err := s.cfg.Users.List(ctx, "", 0)
	for _, u := range all {
		if s.isAdmin(u) && (oldest.ID == "" || u.Created.Before(oldest.Created)) {
			oldest = u
		}
	}
	return oldest, err
}

// byOwnerToken returns the owner for the owner's token.
func (s *Service) byOwnerToken(ctx context.Context, raw string) (sx.User, error) {
	bad := sx.NewError(sx.CodeUnauthenticated, "the owner's token is not valid").
		WithHint("read it from the data directory again: each start of the server creates a new one")
	if s.cfg.OwnerToken == "" || !equalSecrets(token.Hash(raw), token.Hash(s.cfg.OwnerToken)) {
		return sx.User{}, bad
	}
	user, err := s.cfg.Users.ByID(ctx, s.ownerID)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && user.Blocked() {
		return sx.User{}, bad
	}
	return user, err
}
