package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// toAPI returns an account's API form. The settings may make it an
// administrator.
func (s *Service) toAPI(u sx.User) api.User {
	out := api.FromUser(u)
	out.Admin = s.isAdmin(u)
	return out
}

func (s *Service) listUsers(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.administrator(r); err != nil {
		return err
	}
	list, more, err := s.selectUsers(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	out := api.UserList{Users: make([]api.Account, len(list))}
	ids := make([]string, len(list))
	for i, u := range list {
		out.Users[i].User, ids[i] = s.toAPI(u), u.ID
	}
	limits, err := s.cfg.Limits.Of(r.Context(), ids)
	if err != nil {
		return err
	}
	for _, l := range limits {
		out.Users[slices.Index(ids, l.Owner)].Limits = ownLimits(l)
	}
	if more {
		out.Next = list[len(list)-1].Name
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// selectUsers returns the accounts with the IDs or the name of the query, or else a page of
// all accounts.
func (s *Service) selectUsers(ctx context.Context, q url.Values) (list []sx.User, more bool, err error) {
	limit, err := pageLimit(q)
	ids, name := q[api.QueryID], q.Get(api.QueryName)
	switch {
	case err != nil:
		return nil, false, err
	case len(ids) > api.MaxIDs:
		return nil, false, sx.NewError(sx.CodeInvalid, "too many ids in one request: %d", len(ids)).
			WithHint("specify at most %d", api.MaxIDs)
	case len(ids) == 0 && name == "":
		return s.cfg.Users.List(ctx, q.Get(api.QueryAfter), limit)
	}
	add := func(u sx.User, err error) error {
		if err == nil {
			list = append(list, u)
		} else if sx.CodeOf(err) != sx.CodeNotFound {
			return err
		}
		return nil
	}
	for _, id := range ids {
		if err := add(s.cfg.Users.ByID(ctx, id)); err != nil {
			return nil, false, err
		}
	}
	if name != "" {
		if valid, err := sx.UserName(name); err == nil { // no account has an invalid one
			name = valid
		}
		err = add(s.cfg.Users.ByName(ctx, name))
	}
	slices.SortFunc(list, func(a, b sx.User) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b sx.User) bool { return a.ID == b.ID }), false, err
}

func pageLimit(q url.Values) (int, error) {
	text := q.Get(api.QueryLimit)
	if text == "" {
		return api.DefaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > api.MaxLimit {
		return 0, sx.NewError(sx.CodeInvalid, "invalid limit %q", text).WithHint("specify a number from 1 to %d", api.MaxLimit)
	}
	return n, nil
}

// disableTimeout bounds a change whose client may have disconnected.
const disableTimeout = 30 * time.Second

// disable ends an account's sign-ins, by raising its epoch in the same
// compare-and-set that prevents new ones, and then removes its personal tokens.
// Disabling a disabled account finishes what failed before.
func (s *Service) disable(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return s.administer(w, r, sx.AuditDisable, name, func(by sx.User) error {
		user, err := s.disableUser(r.Context(), name)
		if err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "account disabled", "account", user.ID, "by", by.ID)
		api.Write(w, http.StatusOK, s.toAPI(user))
		return nil
	})
}

func (s *Service) disableUser(ctx context.Context, name string) (sx.User, error) {
	// An account that is disabled already may be that of an administrator too.
	isAdmin := func(u sx.User) bool {
		u.Disabled = false
		return s.isAdmin(u)
	}
	user, err := s.userByName(ctx, name)
	if err != nil {
		return user, err
	}
	if isAdmin(user) {
		if err := s.refuseLastAdmin(ctx, name); err != nil {
			return sx.User{}, err
		}
	}
	// What follows is completed even if the client disconnects: without the second check,
	// no administrator might be left, and the tokens would be valid once it is enabled again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disableTimeout)
	defer cancel()
	admin := false
	user, err = s.updateUser(ctx, name, func(u *sx.User) bool {
		was := u.Disabled
		admin = isAdmin(*u)
		u.Disabled = true
		u.Epoch++
		return !was
	})
	if err != nil {
		return user, err
	}
	// Two administrators may have disabled each other: each request checks
	// again after its change, so that the later one finds no other
	// administrator and reverts the change.
	if admin {
		if err := s.refuseLastAdmin(ctx, name); err != nil {
			if sx.CodeOf(err) == sx.CodeConflict {
				if _, err := s.updateUser(ctx, name, enabled); err != nil {
					return user, err
				}
			}
			return user, err
		}
	}
	return user, s.revokeTokens(ctx, user)
}

// revokeTokens deletes the personal tokens of an account that can create no others.
func (s *Service) revokeTokens(ctx context.Context, user sx.User) error {
	tokens, err := s.cfg.PersonalTokens.List(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := s.cfg.PersonalTokens.Delete(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) enable(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return s.administer(w, r, sx.AuditEnable, name, func(by sx.User) error {
		user, err := s.updateUser(r.Context(), name, enabled)
		if err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "account enabled", "account", user.ID, "by", by.ID)
		api.Write(w, http.StatusOK, s.toAPI(user))
		return nil
	})
}

func enabled(u *sx.User) bool {
	was := u.Disabled
	u.Disabled = false
	return was
}

// updateUser changes the account with the name by compare-and-set. change reports
// whether it changed anything; it may be called several times.
func (s *Service) updateUser(ctx context.Context, name string, change func(*sx.User) bool) (sx.User, error) {
	user, err := store.Update(ctx, name, s.cfg.Users.ByName, s.cfg.Users.Replace, func(u *sx.User) error {
		if !change(u) {
			return store.ErrUnchanged
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrUnchanged):
		return user, nil
	case sx.CodeOf(err) == sx.CodeNotFound:
		return user, accountNotFound(name)
	default:
		return user, err
	}
}

// userByName returns the account with the name.
func (s *Service) userByName(ctx context.Context, name string) (sx.User, error) {
	user, err := s.cfg.Users.ByName(ctx, name)
	if sx.CodeOf(err) == sx.CodeNotFound {
		err = accountNotFound(name)
	}
	return user, err
}

func accountNotFound(name string) error {
	return sx.NewError(sx.CodeNotFound, "account %q not found", name).WithHint("list the accounts to see their names")
}

// otherAdmin reports whether there is an administrator other than the account with
// the name.
func (s *Service) otherAdmin(ctx context.Context, name string) (bool, error) {
	after, more := "", true
	for more {
		var list []sx.User
		var err error
		if list, more, err = s.cfg.Users.List(ctx, after, api.MaxLimit); err != nil {
			return false, err
		}
		for _, u := range list {
			if u.Name != name && s.isAdmin(u) {
				return true, nil
			}
			after = u.Name
		}
	}
	return false, nil
}

// refuseLastAdmin returns an *sx.Error of code conflict unless there is an administrator
// other than the account with the name.
func (s *Service) refuseLastAdmin(ctx context.Context, name string) error {
	others, err := s.otherAdmin(ctx, name)
	if err == nil && !others {
		return sx.NewError(sx.CodeConflict, "%s is the last administrator of this server", name).
			WithHint("%s", s.otherAdminHint())
	}
	return err
}

// otherAdminHint says how the server can get another administrator.
func (s *Service) otherAdminHint() string {
	if s.ownerID != "" {
		return "the owner of a local server always administers it"
	}
	return "the operator can name another administrator, with the chart's value auth.admin"
}
