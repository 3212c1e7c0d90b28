package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/erasure"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// settleTime is how long after the end of all sign-ins something may still be created for
// an account: the lifetime of an access token that was issued just before, and a margin
// for the differences between clocks and for requests that are being served.
const settleTime = token.Lifetime + 5*time.Minute

// deleteAccount begins the deletion of the caller's account.
func (s *Service) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.AccountDeletion
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	return s.changeOwn(w, r, sx.AuditDelete, func(user sx.User, from origin) error {
		if err := s.refuseOwner(user); err != nil {
			return err // the owner may have no password
		}
		if err := s.proveOwner(r, from, user, in.Password); err != nil {
			return err
		}
		return s.answerErasure(w, r, user, user)
	})
}

// deleteUser begins the deletion of another account.
func (s *Service) deleteUser(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return s.administer(w, r, sx.AuditDelete, name, func(by sx.User) error {
		if name == by.Name {
			if err := s.refuseOwner(by); err != nil {
				return err
			}
			return sx.NewError(sx.CodeConflict, "%s is your own account", name).
				WithHint("delete your own account with POST " + api.PathDelete + ", which takes your password")
		}
		user, err := s.userByName(r.Context(), name)
		if err != nil {
			return err
		}
		return s.answerErasure(w, r, user, by)
	})
}

func (s *Service) answerErasure(w http.ResponseWriter, r *http.Request, user, by sx.User) error {
	e, err := s.beginErasure(r.Context(), user, by)
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "deletion of an account began", "account", user.ID, "by", by.ID)
	api.Write(w, http.StatusAccepted, api.Erasure{Name: e.Name, Requested: e.Requested.UTC(), CompleteAfter: e.Settled.UTC()})
	return nil
}

// refuseOwner returns an error for the owner of a local server, because the next start
// would create another owner.
func (s *Service) refuseOwner(user sx.User) error {
	if s.ownerID == "" || user.ID != s.ownerID {
		return nil
	}
	return sx.NewError(sx.CodeConflict, "%s is the owner of this local server", user.Name).
		WithHint("to delete everything, stop the server and delete its data directory")
}

// beginErasure stores the erasure and then ends all sign-ins. After a crash in between,
// eraseMark does the latter. If the account is being deleted already, it returns its
// erasure.
func (s *Service) beginErasure(ctx context.Context, user, by sx.User) (sx.Erasure, error) {
	if err := s.refuseOwner(user); err != nil {
		return sx.Erasure{}, err
	}
	if s.isAdmin(user) {
		if err := s.refuseLastAdmin(ctx, user.Name); err != nil {
			return sx.Erasure{}, err
		}
	}
	now := s.cfg.Now()
	e := sx.NewErasure(user, by.Name, now, now.Add(erasure.RetryDelay))
	err := s.cfg.Erasures.Create(ctx, e)
	switch {
	case sx.CodeOf(err) == sx.CodeConflict:
		e, err = s.cfg.Erasures.Get(ctx, user.ID)
		if err != nil || e.Step != sx.EraseMark {
			return e, err
		}
	case err != nil:
		return sx.Erasure{}, err
	default:
		e.Rev = 1
	}
	return s.mark(ctx, e)
}

// mark ends all sign-ins of the account, and prevents others, by one compare-and-set of
// the account. Then the other steps begin. It can be repeated.
//
// Two administrators may delete each other, so each checks again after the change, as
// disable does, and the later one reverts its change.
func (s *Service) mark(ctx context.Context, e sx.Erasure) (sx.Erasure, error) {
	admin := false
	_, err := store.Update(ctx, e.UserID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		before := *u
		before.Erasing = false
		if admin = s.isAdmin(before); u.Erasing {
			return store.ErrUnchanged
		}
		u.Erasing, u.Reset = true, sx.ResetCode{}
		u.Epoch++
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrUnchanged) {
		return e, err
	}
	if admin {
		if err := s.refuseLastAdmin(ctx, e.Name); err != nil {
			if sx.CodeOf(err) != sx.CodeConflict {
				return e, err
			}
			if failed := s.unmark(ctx, e); failed != nil {
				return e, failed
			}
			return e, err
		}
	}
	e.Marked(s.cfg.Now(), settleTime)
	if err := s.cfg.Erasures.Replace(ctx, e); err != nil {
		if !errors.Is(err, store.ErrStale) {
			return e, err
		}
		return s.cfg.Erasures.Get(ctx, e.UserID) // another process has done the same
	}
	e.Rev++
	return e, nil
}

// unmark reverts mark, unless another process has begun the next step.
func (s *Service) unmark(ctx context.Context, e sx.Erasure) error {
	e.Due = s.cfg.Now().Add(erasure.RetryDelay)
	if err := s.cfg.Erasures.Replace(ctx, e); err != nil {
		return err
	}
	_, err := store.Update(ctx, e.UserID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		u.Erasing = false
		return nil
	})
	if err != nil {
		return err
	}
	return s.cfg.Erasures.Delete(ctx, e.UserID)
}

// newErase returns the tasks that begin deletions after a crash, and end them.
func (s *Service) newErase() []*periodic.Task {
	var tasks []*periodic.Task
	for step, erase := range map[sx.ErasureStep]func(context.Context, sx.Erasure) (bool, error){
		sx.EraseMark: s.eraseMark, sx.EraseAccount: s.eraseAccount,
	} {
		tasks = append(tasks, erasure.Step{
			Step: step, Erasures: s.cfg.Erasures, Tasks: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now, Erase: erase,
		}.Task())
	}
	return tasks
}

// eraseMark continues a deletion whose request did not come to its end.
func (s *Service) eraseMark(ctx context.Context, e sx.Erasure) (done bool, err error) {
	_, err = s.mark(ctx, e)
	if sx.CodeOf(err) == sx.CodeNotFound { // no such account
		return true, s.cfg.Erasures.Delete(ctx, e.UserID)
	}
	if err == nil || sx.CodeOf(err) == sx.CodeConflict {
		s.appendAudit(ctx, sx.AuditEntry{Actor: e.Actor, Action: sx.AuditDelete, Account: e.Name, Result: sx.CodeOf(err)})
		return true, nil
	}
	return false, err
}

// eraseAccount deletes what auth has of the account, and the account itself last, which
// makes its name free. The audit log then has one entry about that, even if this is
// repeated after a crash.
func (s *Service) eraseAccount(ctx context.Context, e sx.Erasure) (done bool, err error) {
	user, err := s.cfg.Users.ByID(ctx, e.UserID)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return false, err
	}
	if err == nil {
		if err := s.eraseCredentials(ctx, user); err != nil {
			return false, err
		}
	}
	if err := s.cfg.Users.Delete(ctx, e.UserID); err != nil {
		return false, err
	}
	err = s.cfg.Audit.Append(ctx, sx.AuditEntry{
		ID: store.AuditIDOf(e.Since, e.UserID), Time: e.Since, Action: sx.AuditErase, Account: e.Name,
	})
	if err != nil && sx.CodeOf(err) != sx.CodeConflict { // appended before a crash
		return false, err
	}
	s.cfg.Log.InfoContext(ctx, "account deleted", "account", e.UserID)
	return true, s.cfg.Erasures.Delete(ctx, e.UserID)
}

func (s *Service) eraseCredentials(ctx context.Context, user sx.User) error {
	if err := s.cfg.Sessions.DeleteOf(ctx, user.ID); err != nil {
		return err
	}
	if err := s.revokeTokens(ctx, user); err != nil {
		return err
	}
	if err := s.cfg.Invitations.DeleteOf(ctx, user.ID); err != nil {
		return err
	}
	if user.Invitation != "" {
		// It names the account, and would allow the name to be registered again.
		if err := s.cfg.Invitations.Delete(ctx, user.Invitation); err != nil {
			return err
		}
	}
	if user.Binding != "" {
		if err := s.unbind(ctx, user.Binding, user.ID); err != nil {
			return err
		}
	}
	return s.cfg.Limits.Delete(ctx, user.ID)
}
