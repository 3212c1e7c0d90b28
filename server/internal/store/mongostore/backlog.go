package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var bySince = bson.D{{Key: "since", Value: 1}, {Key: "_id", Value: 1}}

func (s *jobs) Oldest(ctx context.Context, state sx.State, limit int) ([]sx.Job, error) {
	return s.find(ctx, bson.D{{Key: "state", Value: state}}, options.Find().SetSort(bySince).SetLimit(int64(limit)))
}

func (s *jobs) Backlog(ctx context.Context) (store.Backlog, error) {
	found := store.Backlog{}
	for _, state := range store.Unfinished() {
		in, err := s.inState(ctx, state)
		if err != nil {
			return nil, err
		}
		found[state] = in
	}
	return found, nil
}

// inState reads the job that has been in the state longest, and counts in the index.
func (s *jobs) inState(ctx context.Context, state sx.State) (store.InState, error) {
	filter := bson.D{{Key: "state", Value: state}}
	oldest, err := list[struct {
		Since time.Time `bson:"since"`
	}](ctx, s.c, filter, options.Find().SetSort(bySince).SetLimit(1).SetProjection(bson.D{{Key: "since", Value: 1}}))
	if err != nil || len(oldest) == 0 {
		return store.InState{}, err
	}
	n, err := s.c.count(ctx, filter, store.MaxCounted)
	return store.InState{Jobs: n, Oldest: oldest[0].Since}, err
}

// count returns how many documents match the filter, at most limit. Unlike
// CountDocuments, which aggregates, the command count reads only the index.
func (c collection) count(ctx context.Context, filter bson.D, limit int) (n int, err error) {
	err = c.do(ctx, "count in", func(ctx context.Context) error {
		var result struct {
			N int `bson:"n"`
		}
		command := bson.D{{Key: "count", Value: c.c.Name()}, {Key: "query", Value: filter}, {Key: "limit", Value: int64(limit)}}
		if err := c.c.Database().RunCommand(ctx, command).Decode(&result); err != nil {
			return fmt.Errorf("count: %w", err)
		}
		n = result.N
		return nil
	})
	return n, err
}
