package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// recountOwners is how many owners one Recount compares.
	recountOwners = 20
	// recountPage is how many jobs it reads at a time.
	recountPage = 1000
	// quietTime is how long an owner's totals must not have changed. It is longer than a
	// change of a job takes from its first write to its last, under two minutes, also if
	// that is measured by two clocks.
	quietTime = 2*time.Minute + store.ClockSkew
)

// countDoc is what an owner's jobs added up to when the owner's document had the Rev.
type countDoc struct {
	Rev     int64 `bson:"rev"`
	Bytes   int64 `bson:"bytes"`
	Uploads int64 `bson:"uploads"`
	Jobs    int64 `bson:"jobs"`
}

func (s *jobs) Recount(ctx context.Context, cursor string) (next string, err error) {
	found, err := list[ownerDoc](ctx, s.owners.c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: cursor}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(recountOwners))
	for i, d := range found {
		if store.Ahead(s.owners.now(), d.Changed.Add(quietTime), quietTime) {
			continue
		}
		err := s.recount(ctx, d)
		switch {
		case err == nil:
		case !errors.Is(ctx.Err(), context.DeadlineExceeded):
			return "", err
		case i > 0: // the next call has more time for this owner
			return found[i-1].ID, nil
		default:
			s.log.WarnContext(ctx, "totals of an owner not compared: the owner has too many jobs, or MongoDB is slow", "owner", d.ID)
			return d.ID, nil
		}
	}
	if len(found) == recountOwners {
		next = found[recountOwners-1].ID
	}
	return next, err
}

// recount corrects the totals of one owner, and forgets one without jobs. It changes
// nothing if the totals have changed since d was read.
//
// A total that is larger than what the jobs add up to may soon be right: a job may have
// been changed or deleted, and what it no longer needs will be subtracted next. So recount
// records what the jobs add up to, and corrects such a total only if a later call finds the
// same and no change of the owner's document in between.
func (s *jobs) recount(ctx context.Context, d ownerDoc) error {
	sum, err := s.sum(ctx, d.ID)
	if err != nil {
		return err
	}
	is := d
	is.Bytes, is.Uploads, is.Jobs, is.Normal, is.Low = sum.Bytes, sum.Uploads, sum.Jobs, sum.Normal, sum.Low
	less := sum.Bytes < d.Bytes || sum.Uploads < d.Uploads || sum.Jobs < d.Jobs
	sure := !less || d.Counted == countDoc{d.Rev, sum.Bytes, sum.Uploads, sum.Jobs}
	if !sure {
		is.Bytes, is.Uploads, is.Jobs = max(d.Bytes, sum.Bytes), max(d.Uploads, sum.Uploads), max(d.Jobs, sum.Jobs)
		is.Counted = countDoc{d.Rev + 1, sum.Bytes, sum.Uploads, sum.Jobs}
	}
	now := s.owners.now()
	if served := time.Unix(0, d.Served); now.Before(served) && !store.Ahead(now, served, 0) {
		is.Served = now.UnixNano() // by a clock that was wrong, which would keep others in front until then
	}
	switch {
	case sure && is.Jobs == 0 && store.DayOver(d.Day, store.Day(now)):
		_, err = s.owners.c.delete(ctx, atRev(d.ID, d.Rev))
	case is != d:
		_, err = s.owners.change(ctx, atRev(d.ID, d.Rev), nil, bson.D{
			{Key: "bytes", Value: is.Bytes},
			{Key: "uploads", Value: is.Uploads},
			{Key: "jobs", Value: is.Jobs},
			{Key: "normal", Value: is.Normal},
			{Key: "low", Value: is.Low},
			{Key: "counted", Value: is.Counted},
			{Key: "served", Value: is.Served},
		}, nil, false)
	}
	return err
}

// sum adds up the parts of an owner's jobs.
func (s *jobs) sum(ctx context.Context, owner string) (total ownerDoc, err error) {
	fields := append(bson.D{{Key: "part", Value: 1}}, onlyCreated...)
	f := store.JobFilter{Owner: owner}
	for {
		page, err := list[storedDoc](ctx, s.c, jobQuery(f), options.Find().
			SetSort(newestFirst).SetLimit(recountPage).SetProjection(fields))
		if err != nil {
			return total, err
		}
		for _, d := range page {
			total.Bytes += d.Part.Bytes
			total.Uploads += int64(d.Part.Uploads)
			total.Jobs += int64(d.Part.Jobs)
			total.Normal = total.Normal || d.Part.Waiting && d.Part.Priority == sx.PriorityNormal
			total.Low = total.Low || d.Part.Waiting && d.Part.Priority == sx.PriorityLow
		}
		if len(page) < recountPage {
			return total, nil
		}
		last := page[len(page)-1]
		f.After = &store.Cursor{Created: last.Created, ID: last.ID}
	}
}
