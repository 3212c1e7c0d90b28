package localstore

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type counters struct {
	db *database
}

var _ store.Counters = (*counters)(nil)

type counter struct {
	N       int
	Expires time.Time
}

var counterRecords = records[counter]{
	bucket: bucketCounters, kind: "counter",
	expiry: bucketCounterExpiry, expires: func(c counter) time.Time { return c.Expires },
}

func (s *counters) Add(ctx context.Context, id string, most int, expires time.Time) (added bool, err error) {
	err = s.db.update(ctx, "change counter", func(t tx) error {
		added = false
		v, err := counterRecords.get(t, id)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			v = counter{Expires: expires}
		case err != nil:
			return err
		case v.N >= most:
			return nil
		}
		v.N++
		added = true
		return counterRecords.put(t, id, v)
	})
	return added && err == nil, err
}

func (s *counters) Delete(ctx context.Context, id string) error {
	return s.db.update(ctx, "delete counter", func(t tx) error {
		return counterRecords.delete(t, id)
	})
}

func (s *counters) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.db.updateInBatches(ctx, "delete expired counters", func(t tx) (int, error) {
		return counterRecords.deleteExpired(t, now)
	})
}
