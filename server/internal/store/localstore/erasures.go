package localstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type erasures struct {
	db *database
}

var _ store.Erasures = (*erasures)(nil)

var erasureRecords = records[sx.Erasure]{
	bucket: bucketErasures, kind: "erasure",
	rev: func(v *sx.Erasure) *int64 { return &v.Rev },
}

// erasureDueKey is the key of an erasure in the index by step and time.
func erasureDueKey(e sx.Erasure) []byte {
	return orderKey(ownerPrefix(string(e.Step)), e.Due, e.UserID)
}

func (s *erasures) Create(ctx context.Context, e sx.Erasure) error {
	return s.db.updateAlways(ctx, "store erasure", func(t tx) error {
		return errors.Join(erasureRecords.create(t, e.UserID, e), t.Bucket(bucketErasuresDue).Put(erasureDueKey(e), nil))
	})
}

func (s *erasures) Get(ctx context.Context, userID string) (e sx.Erasure, err error) {
	err = s.db.view(ctx, "read erasure", func(t tx) error {
		e, err = erasureRecords.get(t, userID)
		return err
	})
	return e, err
}

func (s *erasures) Replace(ctx context.Context, e sx.Erasure) error {
	return s.db.updateAlways(ctx, "change erasure", func(t tx) error {
		old, err := erasureRecords.current(t, e.UserID, e)
		if err != nil {
			return err
		}
		due := t.Bucket(bucketErasuresDue)
		return errors.Join(
			due.Delete(erasureDueKey(old)), erasureRecords.replace(t, e.UserID, e), due.Put(erasureDueKey(e), nil),
		)
	})
}

func (s *erasures) Delete(ctx context.Context, userID string) error {
	return s.db.updateAlways(ctx, "delete erasure", func(t tx) error {
		old, err := erasureRecords.get(t, userID)
		if sx.CodeOf(err) == sx.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(t.Bucket(bucketErasuresDue).Delete(erasureDueKey(old)), t.Bucket(bucketErasures).Delete([]byte(userID)))
	})
}

func (s *erasures) Due(ctx context.Context, step sx.ErasureStep, now time.Time, limit int) (list []sx.Erasure, err error) {
	err = s.db.view(ctx, "list due erasures", func(t tx) error {
		prefix := ownerPrefix(string(step))
		c := t.Bucket(bucketErasuresDue).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(list) < limit; k, _ = c.Next() {
			e, err := erasureRecords.get(t, string(k[idAt(prefix):]))
			if err != nil {
				return err
			}
			if e.Due.After(now) {
				return nil
			}
			list = append(list, e)
		}
		return nil
	})
	return list, err
}
