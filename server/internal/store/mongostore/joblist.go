package mongostore

import (
	"context"
	"regexp"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var (
	newestFirst = bson.D{{Key: "created", Value: -1}, {Key: "_id", Value: -1}}
	onlyCreated = bson.D{{Key: "created", Value: 1}}
)

// position is where a job is in the order of List.
type position struct {
	ID      string    `bson:"_id"`
	Created time.Time `bson:"created"`
}

// If no index covers the filter, List makes two queries: one finds the end of the page by
// the index alone, the other selects the jobs before it.
func (s *jobs) List(ctx context.Context, f store.JobFilter) (found []sx.Job, next *store.Cursor, err error) {
	if err := f.Check(); err != nil {
		return nil, nil, err
	}
	if len(f.IDs) == 1 && f.After == nil {
		return s.one(ctx, f)
	}
	filter, limit := jobQuery(f), f.PageLimit()
	if len(f.IDs) > 0 {
		limit = len(f.IDs)
	}
	var end *store.Cursor
	if len(f.IDs) == 0 && examines(f) {
		if end, err = s.endOfPage(ctx, f); err != nil {
			return nil, nil, err
		}
		if end != nil {
			filter = append(filter, notAfter(end))
		}
	}
	ds, cut, err := listUpTo[jobDoc](ctx, s.c, store.MaxPageBytes, filter, options.Find().SetSort(newestFirst).SetLimit(int64(limit)+1))
	if len(ds) > limit {
		ds, cut = ds[:limit], true
	}
	found = jobsOf(ds)
	if cut {
		last := found[len(found)-1]
		end = &store.Cursor{Created: last.Created, ID: last.ID}
	}
	return found, end, err
}

// one is List for a single ID, which is what a client that follows a job asks for every two
// seconds: a read by the primary key alone.
func (s *jobs) one(ctx context.Context, f store.JobFilter) ([]sx.Job, *store.Cursor, error) {
	j, err := s.Get(ctx, f.IDs[0])
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound, err == nil && !f.Matches(j):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return []sx.Job{j}, nil, nil
}

// examines reports whether no index selects exactly the jobs of the filter.
func examines(f store.JobFilter) bool {
	return f.Name != "" || len(f.Labels) > 0 || f.Shared || f.Owner == "" && len(f.Identities) > 0 ||
		f.Code != "" && (f.Owner != "" || len(f.States)+len(f.Identities) > 0)
}

// endOfPage returns the position of the last job that a page examines, nil if that is
// the last one of all.
func (s *jobs) endOfPage(ctx context.Context, f store.JobFilter) (*store.Cursor, error) {
	indexed := store.JobFilter{Since: f.Since, After: f.After}
	if indexed.Code = f.Code; f.Code == "" {
		indexed.Owner, indexed.States = f.Owner, f.States
	}
	found, err := list[position](ctx, s.c, jobQuery(indexed), options.Find().
		SetSort(newestFirst).SetSkip(store.MaxExamined-1).SetLimit(1).SetProjection(onlyCreated))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &store.Cursor{Created: found[0].Created, ID: found[0].ID}, nil
}

// notAfter selects the jobs up to the end of a page.
func notAfter(end *store.Cursor) bson.E {
	return bson.E{Key: "$nor", Value: bson.A{
		bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: end.Created}}}},
		bson.D{{Key: "created", Value: end.Created}, {Key: "_id", Value: bson.D{{Key: "$lt", Value: end.ID}}}},
	}}
}

func (s *jobs) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]sx.Job, error) {
	ds, err := list[jobDoc](ctx, s.c, filter, o)
	return jobsOf(ds), err
}

func jobsOf(ds []jobDoc) (found []sx.Job) {
	for _, d := range ds {
		found = append(found, d.job())
	}
	return found
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
	if len(f.Labels) > 0 {
		also("labels", bson.D{{Key: "$all", Value: f.Labels}})
	}
	if f.Shared {
		also("shared", true)
	}
	if len(f.Identities) > 0 {
		also("sources.identity", bson.D{{Key: "$in", Value: f.Identities}})
	}
	if f.Code != "" {
		also("code", f.Code)
	}
	var created bson.D
	if !f.Since.IsZero() {
		created = append(created, bson.E{Key: "$gte", Value: f.Since})
	}
	if f.After != nil {
		created = append(created, bson.E{Key: "$lte", Value: f.After.Created})
		q = append(q, olderThan(f.After))
	}
	if created != nil {
		also("created", created)
	}
	return q
}

// olderThan selects what follows the position, among what was not created after it: an index
// can use only that, so it is a condition of its own.
func olderThan(after *store.Cursor) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: after.Created}}}},
		bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: after.ID}}}},
	}}
}

func (s *jobs) Due(ctx context.Context, action sx.Action, now time.Time, limit int) ([]sx.Job, error) {
	ds, _, err := listUpTo[jobDoc](ctx, s.c, store.MaxPageBytes,
		bson.D{{Key: "action", Value: action}, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}},
		options.Find().SetSort(bson.D{{Key: "due", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	return jobsOf(ds), err
}

func (s *jobs) Waiting(ctx context.Context, limit int) ([]sx.Job, error) {
	return s.find(ctx,
		bson.D{{Key: "waiting", Value: bson.D{{Key: "$in", Value: bson.A{sx.PriorityNormal.String(), sx.PriorityLow.String()}}}}},
		options.Find().SetLimit(int64(limit)))
}
