package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// auditRetention is how long entries are kept.
	auditRetention = 366 * 24 * time.Hour
	// changeBurst and changeInterval limit the changes of an account that a user makes,
	// so that nobody can fill the audit log: about 1,600 entries on the first day and
	// 1,440 on each further one.
	changeBurst    = 200
	changeInterval = time.Minute
	// maxAuditedName is longer than any valid name; what clients send may be longer still.
	maxAuditedName = 64
)

// record adds an entry to the audit log: what the actor did to an account, or why that
// failed. The names are those of accounts; "" is none. It is called after the change: if
// the entry cannot be stored, the change stays, and the entry is logged.
func (s *Service) record(r *http.Request, actor string, action sx.AuditAction, account string, failure error) {
	s.appendAudit(r.Context(), sx.AuditEntry{
		Actor: actor, Action: action, Account: sx.CleanLine(account, maxAuditedName), Address: s.origin(r).address,
		Result: sx.CodeOf(failure),
	})
}

func (s *Service) appendAudit(ctx context.Context, e sx.AuditEntry) {
	e.Time = s.cfg.Now()
	e.ID = store.AuditID(e.Time)
	// Even if the client is gone.
	if err := s.cfg.Audit.Append(context.WithoutCancel(ctx), e); err != nil {
		s.cfg.Log.ErrorContext(ctx, "audit entry not stored", "actor", e.Actor, "action", string(e.Action),
			"account", e.Account, "address", e.Address, "result", string(e.Result), "error", err)
	}
}

// limitChanges counts a change of an account by the user.
func (s *Service) limitChanges(w http.ResponseWriter, by sx.User) error {
	return tooMany(w, "changes to accounts", s.limits.changes.Reserve(by.ID, s.cfg.Now()))
}

func (s *Service) listAudit(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.administrator(r); err != nil {
		return err
	}
	q := r.URL.Query()
	limit, err := pageLimit(q)
	if err != nil {
		return err
	}
	f := store.AuditFilter{After: q.Get(api.QueryAfter), Limit: limit}
	if text := q.Get(api.QueryAccount); text != "" {
		if f.Account, err = sx.UserName(text); err != nil {
			return err
		}
	}
	if text := q.Get(api.QuerySince); text != "" {
		if f.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return sx.NewError(sx.CodeInvalid, "invalid time %q", sx.CleanLine(text, maxAuditedName)).
				WithHint("use the form 2026-01-31T12:00:00Z")
		}
	}
	if !store.ValidAuditID(f.After) {
		return store.InvalidCursor(f.After)
	}
	list, more, err := s.cfg.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	out := api.AuditList{Entries: make([]api.AuditEntry, len(list))}
	for i, e := range list {
		out.Entries[i] = api.FromAuditEntry(e)
	}
	if more {
		out.Next = list[len(list)-1].ID
	}
	api.Write(w, http.StatusOK, out)
	return nil
}
