package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type erasures struct{ c collection }

var _ store.Erasures = (*erasures)(nil)

type erasureDoc struct {
	ID        string         `bson:"_id"` // the user's
	Rev       int64          `bson:"rev"`
	Name      string         `bson:"name"`
	Actor     string         `bson:"actor"`
	Requested time.Time      `bson:"requested"`
	Settled   time.Time      `bson:"settled"`
	Step      sx.ErasureStep `bson:"step"`
	Last      bool           `bson:"last"`
	Since     time.Time      `bson:"since"`
	Due       time.Time      `bson:"due"`
}

func newErasureDoc(e sx.Erasure, rev int64) erasureDoc {
	return erasureDoc{
		ID: e.UserID, Rev: rev, Name: e.Name, Actor: e.Actor, Requested: e.Requested, Settled: e.Settled,
		Step: e.Step, Last: e.Last, Since: e.Since, Due: e.Due,
	}
}

func (d erasureDoc) key() (string, int64) { return d.ID, d.Rev }

func (d erasureDoc) erasure() sx.Erasure {
	return sx.Erasure{
		UserID: d.ID, Rev: d.Rev, Name: d.Name, Actor: d.Actor, Requested: d.Requested, Settled: d.Settled,
		Step: d.Step, Last: d.Last, Since: d.Since, Due: d.Due,
	}
}

func (s *erasures) records() records[erasureDoc] { return records[erasureDoc]{s.c, "erasure"} }

func (s *erasures) Create(ctx context.Context, e sx.Erasure) error {
	return s.records().create(ctx, newErasureDoc(e, 1))
}

func (s *erasures) Get(ctx context.Context, userID string) (sx.Erasure, error) {
	d, err := s.records().get(ctx, userID)
	return d.erasure(), err
}

func (s *erasures) Replace(ctx context.Context, e sx.Erasure) error {
	return s.records().replaceAt(ctx, e.Rev, newErasureDoc(e, e.Rev+1))
}

func (s *erasures) Delete(ctx context.Context, userID string) error { return s.c.deleteID(ctx, userID) }

func (s *erasures) Due(ctx context.Context, step sx.ErasureStep, now time.Time, limit int) ([]sx.Erasure, error) {
	ds, err := list[erasureDoc](ctx, s.c,
		bson.D{{Key: "step", Value: step}, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}},
		options.Find().SetSort(bson.D{{Key: "due", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	var found []sx.Erasure
	for _, d := range ds {
		found = append(found, d.erasure())
	}
	return found, err
}
