package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type jobs struct {
	db *database
}

var _ store.Jobs = (*jobs)(nil)

var jobRecords = records[sx.Job]{
	bucket: bucketJobs, kind: "job", hint: sx.CodeNotFound.Hint(),
	rev: func(j *sx.Job) *int64 { return &j.Rev },
}

func (s *jobs) Create(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "storing a job", func(t tx) error {
		if err := jobRecords.create(t, j.ID, j); err != nil {
			return err
		}
		return index(t, j)
	})
}

func (s *jobs) Get(ctx context.Context, id string) (j sx.Job, err error) {
	err = s.db.view(ctx, "reading a job", func(t tx) error {
		j, err = jobRecords.get(t, id)
		return err
	})
	return j, err
}

func (s *jobs) Replace(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "changing a job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		if err != nil {
			return err
		}
		if err := jobRecords.replace(t, j.ID, j); err != nil {
			return err
		}
		return errors.Join(unindex(t, old), index(t, j))
	})
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "deleting a job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			return nil
		case err != nil:
			return err
		}
		return errors.Join(unindex(t, old), t.Bucket(bucketJobs).Delete([]byte(j.ID)))
	})
}

// orderKey sorts by time and id within each prefix. Jobs are filed under their
// owner's prefix and under the empty one, which spans all owners.
func orderKey(prefix []byte, created time.Time, id string) []byte {
	k := append([]byte(nil), prefix...)
	// The flipped sign bit lets times before 1970 sort first.
	k = binary.BigEndian.AppendUint64(k, uint64(created.UnixMilli())^(1<<63))
	return append(k, id...)
}

// ownerPrefix ends with a byte that no id has, so that no owner's prefix
// begins another's. The empty owner stands for all.
func ownerPrefix(owner string) []byte { return append([]byte(owner), 0) }

// idAt is where the id begins in a key of orderKey.
func idAt(prefix []byte) int { return len(prefix) + 8 }

func index(t tx, j sx.Job) error {
	order := t.Bucket(bucketOrder)
	err := errors.Join(
		order.Put(orderKey(ownerPrefix(""), j.Created, j.ID), nil),
		order.Put(orderKey(ownerPrefix(j.Owner), j.Created, j.ID), nil),
	)
	if !j.Settled() {
		err = errors.Join(err, t.Bucket(bucketUnsettled).Put(orderKey(nil, j.Created, j.ID), nil))
	}
	return err
}

func unindex(t tx, j sx.Job) error {
	order := t.Bucket(bucketOrder)
	return errors.Join(
		order.Delete(orderKey(ownerPrefix(""), j.Created, j.ID)),
		order.Delete(orderKey(ownerPrefix(j.Owner), j.Created, j.ID)),
		t.Bucket(bucketUnsettled).Delete(orderKey(nil, j.Created, j.ID)),
	)
}
