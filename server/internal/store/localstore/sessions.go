package localstore

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type sessions struct {
	db *database
}

var _ store.Sessions = (*sessions)(nil)

var sessionRecords = records[sx.Session]{
	bucket: bucketSessions, kind: "session",
	rev:    func(s *sx.Session) *int64 { return &s.Rev },
	expiry: bucketSessionExpiry, expires: func(s sx.Session) time.Time { return s.Expires },
}

func (s *sessions) Create(ctx context.Context, v sx.Session) error {
	return s.db.update(ctx, "store session", func(t tx) error {
		return sessionRecords.create(t, v.ID, v)
	})
}

func (s *sessions) ByID(ctx context.Context, id string) (v sx.Session, err error) {
	err = s.db.view(ctx, "read session", func(t tx) error {
		v, err = sessionRecords.get(t, id)
		return err
	})
	return v, err
}

func (s *sessions) Replace(ctx context.Context, v sx.Session) error {
	return s.db.update(ctx, "change session", func(t tx) error {
		return sessionRecords.replaceCurrent(t, v.ID, v)
	})
}

func (s *sessions) Delete(ctx context.Context, id string) error {
	return s.db.update(ctx, "delete session", func(t tx) error {
		return sessionRecords.delete(t, id)
	})
}

func (s *sessions) DeleteOf(ctx context.Context, userID string) error {
	return sessionRecords.deleteMatching(ctx, s.db, "delete the sessions of a user", func(v sx.Session) bool { return v.UserID == userID })
}

func (s *sessions) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.db.updateInBatches(ctx, "delete expired sessions", func(t tx) (int, error) {
		return sessionRecords.deleteExpired(t, now)
	})
}
