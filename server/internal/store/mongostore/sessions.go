package mongostore

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type sessions struct{ c collection }

var _ store.Sessions = (*sessions)(nil)

type sessionDoc struct {
	ID       string    `bson:"_id"`
	Rev      int64     `bson:"rev"`
	UserID   string    `bson:"user"`
	Epoch    int       `bson:"epoch"`
	Current  string    `bson:"current"`
	Previous string    `bson:"previous"`
	Rotated  time.Time `bson:"rotated"`
	Expires  time.Time `bson:"expires"`
}

func newSessionDoc(v sx.Session, rev int64) sessionDoc {
	return sessionDoc{
		ID: v.ID, Rev: rev, UserID: v.UserID, Epoch: v.Epoch, Current: v.Current, Previous: v.Previous,
		Rotated: v.Rotated, Expires: v.Expires,
	}
}

func (d sessionDoc) key() (string, int64) { return d.ID, d.Rev }

func (d sessionDoc) session() sx.Session {
	return sx.Session{
		ID: d.ID, Rev: d.Rev, UserID: d.UserID, Epoch: d.Epoch, Current: d.Current, Previous: d.Previous,
		Rotated: d.Rotated, Expires: d.Expires,
	}
}

func (s *sessions) records() records[sessionDoc] {
	return records[sessionDoc]{s.c, "session"}
}

func (s *sessions) Create(ctx context.Context, v sx.Session) error {
	return s.records().create(ctx, newSessionDoc(v, 1))
}

func (s *sessions) ByID(ctx context.Context, id string) (sx.Session, error) {
	d, err := s.records().get(ctx, id)
	return d.session(), err
}

func (s *sessions) Replace(ctx context.Context, v sx.Session) error {
	return s.records().replaceAt(ctx, v.Rev, newSessionDoc(v, v.Rev+1))
}

func (s *sessions) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }

func (s *sessions) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
