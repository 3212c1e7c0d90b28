package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

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
	limit, err := pageLimit(r.URL.Query())
	if err != nil {
		return err
	}
	list, more, err := s.cfg.Users.List(r.Context(), r.URL.Query().Get(api.QueryAfter), limit)
	if err != nil {
		return err
	}
	out := api.UserList{Users: make([]api.User, len(list))}
	for i, u := range list {
		out.Users[i] = s.toAPI(u)
	}
	if more {
		out.Next = list[len(list)-1].Name
	}
	api.Write(w, http.StatusOK, out)
	return nil
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

// disable ends an account's sign-ins, by raising its epoch in the same
// compare-and-set that prevents new ones, and then removes its personal tokens.
// Disabling a disabled account finishes what failed before.
func (s *Service) disable(w http.ResponseWriter, r *http.Request) error {
	by, err := s.administrator(r)
	if err != nil {
		return err
	}
	ctx, name := r.Context(), r.PathValue("name")
	last := sx.NewError(sx.CodeConflict, "%s is the last administrator of this server", name).
		WithHint("%s", s.otherAdminHint())
	if others, err := s.otherAdmin(ctx, name); err != nil {
		return err
	} else if !others {
		return last
	}
	user, err := s.updateUser(ctx, name, func(u *sx.User) bool {
		was := u.Disabled
		u.Disabled = true
		u.Epoch++
		return !was
	})
	if err != nil {
		return err
	}
	// Two administrators may have disabled each other: each request checks
	// again after its change, so that the later one finds no other
	// administrator and reverts the change.
	if others, err := s.otherAdmin(ctx, name); err != nil {
		return err
	} else if !others {
		if _, err := s.updateUser(ctx, name, enabled); err != nil {
			return err
		}
		return last
	}
	tokens, err := s.cfg.PersonalTokens.List(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := s.cfg.PersonalTokens.Delete(ctx, t.ID); err != nil {
			return err
		}
	}
	s.cfg.Log.InfoContext(ctx, "account disabled", "account", user.ID, "by", by.ID)
	api.Write(w, http.StatusOK, s.toAPI(user))
	return nil
}

func (s *Service) enable(w http.ResponseWriter, r *http.Request) error {
	by, err := s.administrator(r)
	if err != nil {
		return err
	}
	user, err := s.updateUser(r.Context(), r.PathValue("name"), enabled)
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "account enabled", "account", user.ID, "by", by.ID)
	api.Write(w, http.StatusOK, s.toAPI(user))
	return nil
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
		return user, sx.NewError(sx.CodeNotFound, "account %q not found", name).WithHint("list the accounts to see their names")
	default:
		return user, err
	}
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

// otherAdminHint says how the server can get another administrator.
func (s *Service) otherAdminHint() string {
	if s.ownerID != "" {
		return "the owner of a local server always administers it"
	}
	return "the operator can name another administrator, with the chart's value auth.admin"
}
