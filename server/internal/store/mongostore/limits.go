package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type limits struct{ c collection }

var _ store.Limits = (*limits)(nil)

type limitsDoc struct {
	ID         string         `bson:"_id"` // the owner
	Rev        int64          `bson:"rev"`
	Bytes      *int64         `bson:"bytes,omitempty"`
	Uploads    *int           `bson:"uploads,omitempty"`
	JobsPerDay *int           `bson:"jobs_per_day,omitempty"`
	Videos     *time.Duration `bson:"videos,omitempty"` // this and the others in nanoseconds
	Failed     *time.Duration `bson:"failed,omitempty"`
	Tracks     *time.Duration `bson:"tracks,omitempty"`
}

func newLimitsDoc(v sx.Limits, rev int64) limitsDoc {
	return limitsDoc{
		ID: v.Owner, Rev: rev, Bytes: v.Bytes, Uploads: v.Uploads, JobsPerDay: v.JobsPerDay,
		Videos: v.Videos, Failed: v.Failed, Tracks: v.Tracks,
	}
}

func (d limitsDoc) limits() sx.Limits {
	return sx.Limits{
		Owner: d.ID, Rev: d.Rev, Bytes: d.Bytes, Uploads: d.Uploads, JobsPerDay: d.JobsPerDay,
		Videos: d.Videos, Failed: d.Failed, Tracks: d.Tracks,
	}
}

func (s *limits) Get(ctx context.Context, owner string) (sx.Limits, error) {
	d, err := get[limitsDoc](ctx, s.c, owner)
	if errors.Is(err, errNotFound) {
		return sx.Limits{Owner: owner}, nil
	}
	return d.limits(), err
}

func (s *limits) Of(ctx context.Context, owners []string) ([]sx.Limits, error) {
	if len(owners) == 0 {
		return nil, nil
	}
	ds, err := list[limitsDoc](ctx, s.c, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: owners}}}})
	found := make([]sx.Limits, len(ds))
	for i, d := range ds {
		found[i] = d.limits()
	}
	return found, err
}

func (s *limits) Replace(ctx context.Context, v sx.Limits) error {
	return s.c.replaceOrCreate(ctx, v.Owner, v.Rev, newLimitsDoc(v, v.Rev+1))
}

func (s *limits) Delete(ctx context.Context, owner string) error {
	_, err := s.c.delete(ctx, bson.D{{Key: "_id", Value: owner}})
	return err
}
