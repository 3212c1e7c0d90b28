package auth

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// The accounts of people who sign in through their organisation. An account belongs to
// somebody if the binding of the subject names the account, and the account the binding:
// never because of a name or an address, which providers give to others later.

// organisationUser returns the account of the person, which is created at the first
// sign-in if the rules allow it. The binding is stored before the account, with the ID that
// the account will have, so that of several first sign-ins at the same time, and after a
// crash, there is one account.
func (s *Service) organisationUser(r *http.Request, who person) (sx.User, error) {
	ctx, id := r.Context(), sx.BindingID(s.cfg.OIDC.Issuer, who.subject)
	for {
		b, err := s.cfg.Bindings.ByID(ctx, id)
		if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
			return sx.User{}, err
		}
		var user sx.User
		if err == nil {
			if user, err = s.cfg.Users.ByID(ctx, b.UserID); err == nil && user.Binding == id {
				return user, nil
			}
			if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
				return sx.User{}, err
			}
		}
		if err := s.mayJoin(who); err != nil {
			return sx.User{}, err
		}
		switch {
		case b.Rev == 0:
			b = sx.Binding{ID: id, Issuer: s.cfg.OIDC.Issuer, Subject: who.subject, UserID: sx.NewID()}
			err = s.cfg.Bindings.Create(ctx, b)
		case user.ID != "": // the account was unlinked
			b.UserID = sx.NewID()
			err = s.cfg.Bindings.Replace(ctx, b)
		default:
			err = nil
		}
		if err == nil {
			user, err = s.createOrganisationUser(r, b, who)
			if err == nil {
				return user, nil
			}
		}
		if sx.CodeOf(err) != sx.CodeConflict && !errors.Is(err, store.ErrStale) {
			return sx.User{}, err
		}
	}
}

// mayJoin returns an error unless the rules give the person a new account.
func (s *Service) mayJoin(who person) error {
	rules := s.cfg.OIDC
	var reason string
	switch {
	case len(rules.Domains) == 0 && len(rules.Groups) == 0:
		reason = "this server creates no accounts for people of your organisation"
	case len(rules.Domains) > 0 && !inDomains(who.email, rules.Domains):
		reason = "your e-mail address is not in a domain that gets an account here"
	case len(rules.Domains) > 0 && !who.emailVerified:
		reason = "your organisation has not verified your e-mail address"
	case len(rules.Groups) > 0 && !slices.ContainsFunc(who.groups, func(g string) bool { return slices.Contains(rules.Groups, g) }):
		reason = "you are in no group that gets an account here"
	default:
		return nil
	}
	return sx.NewError(sx.CodeRegistrationClosed, "%s", reason).
		WithHint("ask an administrator; if you have an account with a password, sign in to it and link it on the page Account")
}

// inDomains reports whether the address is in one of the domains, not below it.
func inDomains(email string, domains []string) bool {
	domain := email[strings.LastIndexByte(email, '@')+1:]
	return len(domain) < len(email) && slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// createOrganisationUser creates the account that a binding names, under the first name
// that is free.
func (s *Service) createOrganisationUser(r *http.Request, b sx.Binding, who person) (sx.User, error) {
	user := sx.User{ID: b.UserID, Binding: b.ID, Created: s.cfg.Now()}
	base := accountName(who)
	for n := 1; ; n++ {
		user.Name = base
		switch {
		case n > maxNumberedName:
			user.Name = base + "-" + sx.NewID()
		case n > 1:
			user.Name = base + "-" + strconv.Itoa(n)
		}
		if _, reserved := s.reserved(user.Name); reserved {
			continue
		}
		err := s.cfg.Users.Create(r.Context(), user)
		if sx.CodeOf(err) == sx.CodeNameTaken {
			// Another request may have created this account.
			if found, err := s.cfg.Users.ByID(r.Context(), user.ID); sx.CodeOf(err) != sx.CodeNotFound {
				return found, err
			}
			continue
		}
		if err == nil {
			s.record(r, user.Name, sx.AuditRegister, user.Name, nil)
			user.Rev = 1
		}
		return user, err
	}
}

const (
	maxNumberedName = 20
	maxBaseName     = 40 // leaves room for a number or an ID
	minBaseName     = 3
)

// accountName returns a valid name for an account, made from what the provider says: it
// is for people to recognize, and nothing depends on it.
func accountName(who person) string {
	for _, text := range []string{who.name, who.email} {
		text, _, _ = strings.Cut(text, "@")
		text = strings.Map(func(c rune) rune {
			if c < 0x80 && strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._+-", c) {
				return c
			}
			return '-'
		}, strings.ToLower(text))
		text = strings.Trim(text[:min(len(text), maxBaseName)], "._+-")
		if len(text) >= minBaseName {
			return text
		}
		if text != "" {
			return "user-" + text
		}
	}
	return "user"
}

// updateRole stores whether the group of administrators has the person now. The role that
// an administrator of this server has otherwise is not changed.
func (s *Service) updateRole(r *http.Request, user sx.User, who person, until time.Time) (sx.User, error) {
	admin := s.cfg.OIDC.AdminGroup != "" && slices.Contains(who.groups, s.cfg.OIDC.AdminGroup)
	if !admin {
		until = time.Time{}
	}
	gained := false
	changed, err := store.Update(r.Context(), user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		if u.Blocked() || u.GroupAdminUntil.Equal(until) {
			return store.ErrUnchanged
		}
		gained = admin && !s.isAdmin(*u)
		u.GroupAdminUntil = until
		return nil
	})
	if errors.Is(err, store.ErrUnchanged) {
		return changed, nil
	}
	if err == nil && gained {
		s.record(r, "", sx.AuditGroupAdmin, user.Name, nil)
	}
	return changed, err
}
