package mongostore

import (
	"context"
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
	// change takes from its charge to its end, by any process's clock.
	quietTime = 2 * time.Minute
)

func (s *jobs) Recount(ctx context.Context, cursor string) (next string, err error) {
	found, err := list[ownerDoc](ctx, s.owners.c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: cursor}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(recountOwners))
	for _, d := range found {
		if s.owners.now().Sub(d.Changed) < quietTime {
			continue
		}
		if err := s.recount(ctx, d); err != nil {
			return "", err
		}
	}
	if len(found) == recountOwners {
		next = found[recountOwners-1].ID
	}
	return next, err
}

// recount corrects the totals of one owner, and forgets one without jobs. It changes
// nothing if the totals have changed since d was read.
func (s *jobs) recount(ctx context.Context, d ownerDoc) error {
	sum, err := s.sum(ctx, d.ID)
	if err != nil {
		return err
	}
	is := d
	is.Bytes, is.Uploads, is.Jobs, is.Normal, is.Low = sum.Bytes, sum.Uploads, sum.Jobs, sum.Normal, sum.Low
	switch {
	case is.Jobs == 0 && d.Day < day(s.owners.now()):
		_, err = s.owners.c.delete(ctx, atRev(d.ID, d.Rev))
	case is != d:
		_, err = s.owners.change(ctx, atRev(d.ID, d.Rev), nil, bson.D{
			{Key: "bytes", Value: is.Bytes},
			{Key: "uploads", Value: is.Uploads},
			{Key: "jobs", Value: is.Jobs},
			{Key: "normal", Value: is.Normal},
			{Key: "low", Value: is.Low},
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
