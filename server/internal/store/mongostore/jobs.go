package mongostore

import (
	"context"
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type jobs struct{ c collection }

var _ store.Jobs = (*jobs)(nil)

func (s *jobs) records() records[jobDoc] { return records[jobDoc]{s.c, "job", sx.CodeNotFound.Hint()} }

func (s *jobs) Create(ctx context.Context, j sx.Job) error {
	return s.records().create(ctx, newJobDoc(j, 1))
}

func (s *jobs) Get(ctx context.Context, id string) (sx.Job, error) {
	d, err := s.records().get(ctx, id)
	return d.job(), err
}

func (s *jobs) Replace(ctx context.Context, j sx.Job) error {
	return s.records().replaceAt(ctx, j.Rev, newJobDoc(j, j.Rev+1))
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	return s.records().deleteAt(ctx, j.ID, j.Rev)
}

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, more bool, err error) {
	o := options.Find().SetSort(bson.D{{Key: "created", Value: -1}, {Key: "_id", Value: -1}})
	if f.Limit > 0 {
		o.SetLimit(int64(f.Limit) + 1)
	}
	list, err = s.find(ctx, jobQuery(f), o)
	if f.Limit > 0 && len(list) > f.Limit {
		return list[:f.Limit], true, err
	}
	return list, false, err
}

func (s *jobs) Unsettled(ctx context.Context) ([]sx.Job, error) {
	return s.find(ctx, bson.D{{Key: "unsettled", Value: true}},
		options.Find().SetSort(bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}))
}

func (s *jobs) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]sx.Job, error) {
	ds, err := list[jobDoc](ctx, s.c, filter, o)
	var found []sx.Job
	for _, d := range ds {
		found = append(found, d.job())
	}
	return found, err
}

func jobQuery(f store.JobFilter) bson.D {
	q := bson.D{}
	also := func(field string, value any) { q = append(q, bson.E{Key: field, Value: value}) }
	if f.Owner != "" {
		also("owner", f.Owner)
	}
	if len(f.States) > 0 {
		also("state", bson.D{{Key: "$in", Value: f.States}})
	}
	if len(f.IDs) > 0 {
		also("_id", bson.D{{Key: "$in", Value: f.IDs}})
	}
	if f.Name != "" {
		also("search", bson.Regex{Pattern: regexp.QuoteMeta(strings.ToLower(f.Name))})
	}
	if f.After != nil {
		// The first condition says nothing new, but an index can start at it.
		also("created", bson.D{{Key: "$lte", Value: f.After.Created}})
		also("$or", bson.A{
			bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: f.After.Created}}}},
			bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: f.After.ID}}}},
		})
	}
	return q
}

func (s *jobs) Usage(ctx context.Context, owner string) (int64, error) {
	var sums []struct {
		Bytes int64 `bson:"bytes"`
	}
	err := s.c.do(ctx, "adding up", func(ctx context.Context) error {
		cursor, err := s.c.c.Aggregate(ctx, bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: "owner", Value: owner}}}},
			bson.D{{Key: "$group", Value: bson.D{
				{Key: "_id", Value: nil},
				{Key: "bytes", Value: bson.D{{Key: "$sum", Value: "$bytes"}}},
			}}},
		})
		if err != nil {
			return err
		}
		return cursor.All(ctx, &sums)
	})
	if err != nil || len(sums) == 0 {
		return 0, err
	}
	return sums[0].Bytes, nil
}
