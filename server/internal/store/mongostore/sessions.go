package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type sessions struct{ c collection }

var _ store.Sessions = (*sessions)(nil)

type sessionDoc struct {
	ID       string    `bson:"_id"`
	Rev      int64     `bson:"rev"`
	UserID   string    `bson:"user"`
	Kind     string    `bson:"kind,omitempty"`
	Owner    string    `bson:"owner_token,omitempty"`
	Epoch    int       `bson:"epoch"`
	Current  string    `bson:"current"`
	Previous string    `bson:"previous"`
	Renewal  string    `bson:"renewal,omitempty"`
	Seal     string    `bson:"seal"`
	Rotated  time.Time `bson:"rotated"`
	Expires  time.Time `bson:"expires"`
	Until    time.Time `bson:"until,omitempty"`
	Address  string    `bson:"address,omitempty"`
}

func newSessionDoc(v sx.Session, rev int64) sessionDoc {
	return sessionDoc{
		ID: v.ID, Rev: rev, UserID: v.UserID, Kind: string(v.Kind), Owner: v.OwnerToken, Epoch: v.Epoch, Current: v.Current, Previous: v.Previous,
		Renewal: v.Renewal, Seal: v.Seal, Rotated: v.Rotated, Expires: v.Expires, Until: v.Until, Address: v.Address,
	}
}

func (d sessionDoc) key() (string, int64) { return d.ID, d.Rev }

func (d sessionDoc) session() sx.Session {
	return sx.Session{
		ID: d.ID, Rev: d.Rev, UserID: d.UserID, Kind: sx.SessionKind(d.Kind), OwnerToken: d.Owner, Epoch: d.Epoch, Current: d.Current, Previous: d.Previous,
		Renewal: d.Renewal, Seal: d.Seal, Rotated: d.Rotated, Expires: d.Expires, Until: d.Until, Address: d.Address,
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

func (s *sessions) DeleteOf(ctx context.Context, userID string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "user", Value: userID}})
}

func (s *sessions) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
