package mongostore

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// maxOutdated is how many owners without a waiting job NextWaiting passes over at most.
const maxOutdated = 100

// NextWaiting reads the owners of the running jobs, of which there are few, then the
// first of the other owners in the order of turns, and then the owner's oldest job.
func (s *jobs) NextWaiting(ctx context.Context, turn store.Turn) (string, error) {
	running, err := s.running(ctx)
	if err != nil {
		return "", err
	}
	levels := []int{0}
	if !turn.Idle {
		for _, n := range running {
			levels = append(levels, n)
		}
		slices.Sort(levels)
		levels = slices.Compact(levels)
	}
	order := []sx.Priority{sx.PriorityNormal, sx.PriorityLow}
	if turn.LowFirst {
		slices.Reverse(order)
	}
	for _, p := range order {
		for _, level := range levels {
			excluded := []string{} // never null
			for owner, n := range running {
				if n > level {
					excluded = append(excluded, owner)
				}
			}
			if id, err := s.nextOf(ctx, p, excluded); err != nil || id != "" {
				return id, err
			}
		}
	}
	return "", nil
}

// running returns the number of running jobs of each owner who has any.
func (s *jobs) running(ctx context.Context) (map[string]int, error) {
	ds, err := list[struct {
		Owner string `bson:"owner"`
	}](ctx, s.c, bson.D{{Key: "action", Value: sx.ActionLease}}, options.Find().SetProjection(bson.D{{Key: "owner", Value: 1}}))
	counts := map[string]int{}
	for _, d := range ds {
		counts[d.Owner]++
	}
	return counts, err
}

// nextOf returns the oldest waiting job of the priority, of the owner whose last claim is
// longest ago, among those who are not excluded.
func (s *jobs) nextOf(ctx context.Context, p sx.Priority, excluded []string) (string, error) {
	for range maxOutdated {
		found, err := list[ownerDoc](ctx, s.owners.c, bson.D{
			{Key: p.String(), Value: true}, {Key: "_id", Value: bson.D{{Key: "$nin", Value: excluded}}},
		}, options.Find().SetSort(bson.D{{Key: "served", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(1))
		if err != nil || len(found) == 0 {
			return "", err
		}
		id, err := s.oldestWaiting(ctx, found[0].ID, p)
		if err != nil || id != "" {
			return id, err
		}
		if err := s.clear(ctx, found[0], p); err != nil {
			return "", err
		}
	}
	return "", nil
}

func (s *jobs) oldestWaiting(ctx context.Context, owner string, p sx.Priority) (string, error) {
	found, err := list[position](ctx, s.c,
		bson.D{{Key: "waiting", Value: p.String()}, {Key: "owner", Value: owner}},
		options.Find().SetSort(bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(1).SetProjection(onlyCreated))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ID, nil
}

// clear records that the owner has no waiting jobs of the priority, unless one came
// since d was read: then d.Rev is no longer the current one.
func (s *jobs) clear(ctx context.Context, d ownerDoc, p sx.Priority) error {
	_, err := s.owners.change(ctx, atRev(d.ID, d.Rev), nil, bson.D{{Key: p.String(), Value: false}}, nil, false)
	return err
}

// clearIfNone is clear for an owner one of whose jobs has stopped waiting. NextWaiting
// would do it too, but for all owners at once.
func (s *jobs) clearIfNone(ctx context.Context, owner string, p sx.Priority) {
	ctx = context.WithoutCancel(ctx)
	d, err := s.owners.read(ctx, owner)
	if err != nil || !d.waiting(p) {
		return
	}
	if id, err := s.oldestWaiting(ctx, owner, p); err == nil && id == "" {
		_ = s.clear(ctx, d, p)
	}
}
