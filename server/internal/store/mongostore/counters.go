package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
)

type counters struct{ c collection }

var _ store.Counters = (*counters)(nil)

type counterDoc struct {
	ID      string    `bson:"_id"`
	N       int       `bson:"n"`
	Expires time.Time `bson:"expires"`
}

// Add does not use an upsert: with a condition besides _id, two at the same time could
// both try to insert.
func (s *counters) Add(ctx context.Context, id string, most int, expires time.Time) (bool, error) {
	increment := func() (bool, error) {
		return s.c.update(ctx,
			bson.D{{Key: "_id", Value: id}, {Key: "n", Value: bson.D{{Key: "$lt", Value: most}}}},
			bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}})
	}
	if added, err := increment(); added || err != nil {
		return added, err
	}
	err := s.c.insert(ctx, counterDoc{ID: id, N: 1, Expires: expires})
	if errors.Is(err, errExists) { // the counter has reached most, or another call has created it
		return increment()
	}
	return err == nil, err
}

func (s *counters) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }

func (s *counters) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
