package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/sx"
)

func (s *users) List(ctx context.Context, after string, limit int) (found []sx.User, more bool, err error) {
	o := options.Find().SetSort(bson.D{{Key: "name", Value: 1}})
	if limit > 0 {
		o.SetLimit(int64(limit) + 1)
	}
	ds, err := list[userDoc](ctx, s.c, bson.D{{Key: "name", Value: bson.D{{Key: "$gt", Value: after}}}}, o)
	if limit > 0 && len(ds) > limit {
		ds, more = ds[:limit], true
	}
	for _, d := range ds {
		found = append(found, d.user())
	}
	return found, more, err
}
