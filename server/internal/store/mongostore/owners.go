package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// owners has the totals of the jobs of each owner. Each change increments a document's
// rev, so that a correction notices it.
type owners struct {
	c   collection
	now func() time.Time
}

type ownerDoc struct {
	ID      string    `bson:"_id"` // the user's
	Rev     int64     `bson:"rev"`
	Changed time.Time `bson:"changed"`
	Bytes   int64     `bson:"bytes"`
	Uploads int64     `bson:"uploads"`
	Jobs    int64     `bson:"jobs"`
	Day     int64     `bson:"day"` // since 1970, of Today
	Today   int64     `bson:"today"`
	Counted countDoc  `bson:"counted"` // by a Recount that did not correct all totals

	// Normal and Low say whether the owner may have waiting jobs of that priority. A
	// flag is false although there are such jobs only for a moment, or after a crash
	// until the next Recount.
	Normal bool  `bson:"normal"`
	Low    bool  `bson:"low"`
	Served int64 `bson:"served"` // when a job was last claimed, in nanoseconds since 1970
}

func (d ownerDoc) waiting(p sx.Priority) bool {
	if p == sx.PriorityLow {
		return d.Low
	}
	return d.Normal
}

// partDoc is a store.Part.
type partDoc struct {
	Bytes    int64       `bson:"bytes"`
	Uploads  int         `bson:"uploads"`
	Jobs     int         `bson:"jobs"`
	Waiting  bool        `bson:"waiting"`
	Priority sx.Priority `bson:"priority"`
	Running  int         `bson:"running"`
}

func newPartDoc(p store.Part) partDoc { return partDoc(p) }

func (d partDoc) part() store.Part { return store.Part(d) }

// difference returns what a change of a job adds to the totals if grow is true, and
// otherwise what it subtracts, as negative numbers.
func difference(before, after store.Part, grow bool) bson.D {
	var d bson.D
	for _, f := range []struct {
		name string
		by   int64
	}{
		{"bytes", after.Bytes - before.Bytes},
		{"uploads", int64(after.Uploads - before.Uploads)},
		{"jobs", int64(after.Jobs - before.Jobs)},
	} {
		if f.by > 0 && grow || f.by < 0 && !grow {
			d = append(d, bson.E{Key: f.name, Value: f.by})
		}
	}
	return d
}

// change applies $inc and $set, and increments rev. filter selects the document,
// which is created if upsert is set.
func (o owners) change(ctx context.Context, filter, inc, set bson.D, onInsert bson.D, upsert bool) (matched bool, err error) {
	update := bson.D{
		{Key: "$inc", Value: append(bson.D{{Key: "rev", Value: int64(1)}}, inc...)},
		{Key: "$set", Value: append(bson.D{{Key: "changed", Value: o.now()}}, set...)},
	}
	if len(onInsert) > 0 {
		update = append(update, bson.E{Key: "$setOnInsert", Value: onInsert})
	}
	exists := false
	err = o.c.do(ctx, "update", func(ctx context.Context) error {
		r, err := o.c.c.UpdateOne(ctx, filter, update, options.UpdateOne().SetUpsert(upsert))
		matched = err == nil && r.MatchedCount+r.UpsertedCount == 1
		if exists = mongo.IsDuplicateKeyError(err); exists {
			err = nil
		}
		return err
	})
	if err == nil && exists {
		err = errExists
	}
	return matched, err
}

// upsert changes the document with the owner's _id, or creates it. Some servers return
// an error if another call has just created it, instead of trying again.
func (o owners) upsert(ctx context.Context, owner string, inc, set, onInsert bson.D) error {
	_, err := o.change(ctx, ofOwner(owner), inc, set, onInsert, true)
	if errors.Is(err, errExists) {
		_, err = o.change(ctx, ofOwner(owner), inc, set, nil, false)
	}
	return err
}

func ofOwner(owner string) bson.D { return bson.D{{Key: "_id", Value: owner}} }

// charge adds what a change of a job adds to the totals.
func (o owners) charge(ctx context.Context, owner string, before, after store.Part) error {
	inc := difference(before, after, true)
	if len(inc) == 0 {
		return nil
	}
	return o.upsert(ctx, owner, inc, nil, bson.D{{Key: "day", Value: int64(0)}})
}

// chargeNew adds a new job to the totals, also to those of the day.
func (o owners) chargeNew(ctx context.Context, owner string, after store.Part, created time.Time) error {
	inc, d := difference(store.Part{}, after, true), store.Day(created)
	counted := append(bson.D{{Key: "today", Value: int64(1)}}, inc...)
	first := bson.D{{Key: "day", Value: d}, {Key: "today", Value: int64(1)}}
	of := func(condition any) bson.D { return append(ofOwner(owner), bson.E{Key: "day", Value: condition}) }
	for {
		matched, err := o.change(ctx, of(d), counted, nil, nil, false)
		if err == nil && !matched {
			matched, err = o.change(ctx, of(bson.D{{Key: "$nin", Value: bson.A{d, d + 1}}}), inc, first, nil, false)
		}
		if err != nil || matched {
			return err
		}
		// There is no document, or that of the next day (see store.DayOver). If another call
		// has just created one, this fails because of its _id.
		_, err = o.change(ctx, of(bson.D{{Key: "$gt", Value: d}}), inc, nil, first, true)
		if !errors.Is(err, errExists) {
			return err
		}
	}
}

// The following functions change totals after the job has changed. If one fails, the
// next Recount corrects the totals: the change of the job itself has succeeded. For
// that reason they continue after ctx has ended.

// refund takes back a charge.
func (o owners) refund(ctx context.Context, owner string, before, after store.Part) {
	if inc := difference(after, before, false); len(inc) > 0 {
		_, _ = o.change(context.WithoutCancel(ctx), ofOwner(owner), inc, nil, nil, false)
	}
}

// uncount takes a job out of the number of those that were created on a day.
func (o owners) uncount(ctx context.Context, owner string, created time.Time) {
	_, _ = o.change(context.WithoutCancel(ctx), append(ofOwner(owner), bson.E{Key: "day", Value: store.Day(created)}),
		bson.D{{Key: "today", Value: int64(-1)}}, nil, nil, false)
}

// settle subtracts what a change of a job takes away, and records whether the owner has
// waiting jobs and when one was claimed.
func (o owners) settle(ctx context.Context, owner string, before, after store.Part) {
	ctx = context.WithoutCancel(ctx)
	inc, set := difference(before, after, false), bson.D{}
	if after.Waits() != "" && after.Waits() != before.Waits() {
		set = append(set, bson.E{Key: after.Waits(), Value: true})
	}
	claimed := before.Waiting && after.Running > 0
	if claimed {
		set = append(set, bson.E{Key: "served", Value: o.now().UnixNano()})
	}
	if len(inc)+len(set) > 0 {
		_ = o.upsert(ctx, owner, inc, set, bson.D{{Key: "day", Value: int64(0)}})
	}
}

// read returns the totals: empty ones with Rev 0 for an owner who has none.
func (o owners) read(ctx context.Context, owner string) (ownerDoc, error) {
	d, err := get[ownerDoc](ctx, o.c, owner)
	if errors.Is(err, errNotFound) {
		return ownerDoc{ID: owner}, nil
	}
	return d, err
}

func (s *jobs) Usage(ctx context.Context, owner string, now time.Time) (sx.Usage, error) {
	d, err := s.owners.read(ctx, owner)
	return d.usage(now), err
}

func (d ownerDoc) usage(now time.Time) sx.Usage {
	u := sx.Usage{Bytes: d.Bytes, Uploads: int(d.Uploads), Jobs: int(d.Jobs)}
	if d.Day == store.Day(now) {
		u.Today = int(d.Today)
	}
	return u
}

func (s *jobs) Owners(ctx context.Context, after *store.OwnerUsage, now time.Time, limit int) (found []store.OwnerUsage, more bool, err error) {
	filter := bson.D{}
	if after != nil {
		filter = bson.D{
			{Key: "bytes", Value: bson.D{{Key: "$lte", Value: after.Bytes}}}, // an index can use it
			{Key: "$or", Value: bson.A{
				bson.D{{Key: "bytes", Value: bson.D{{Key: "$lt", Value: after.Bytes}}}},
				bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after.Owner}}}},
			}},
		}
	}
	ds, err := list[ownerDoc](ctx, s.owners.c, filter, options.Find().
		SetSort(bson.D{{Key: "bytes", Value: -1}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)+1))
	if more = len(ds) > limit; more {
		ds = ds[:limit]
	}
	for _, d := range ds {
		found = append(found, store.OwnerUsage{Owner: d.ID, Usage: d.usage(now)})
	}
	return found, more, err
}

func (s *jobs) DeleteUsage(ctx context.Context, owner string) error {
	return s.owners.c.deleteID(ctx, owner)
}
