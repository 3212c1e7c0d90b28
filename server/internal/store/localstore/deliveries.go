package localstore

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type deliveries struct {
	db *database
}

var _ store.Deliveries = (*deliveries)(nil)

var deliveryRecords = records[sx.Delivery]{
	bucket: bucketDeliveries, kind: "delivery",
	rev: func(v *sx.Delivery) *int64 { return &v.Rev },
}

func (s *deliveries) Create(ctx context.Context, v sx.Delivery) error {
	return s.db.update(ctx, "store delivery", func(t tx) error {
		return errors.Join(deliveryRecords.create(t, v.ID, v), putAll(t, deliveryEntries(v)))
	})
}

// deliveryEntries returns the keys of a delivery in all indexes.
func deliveryEntries(v sx.Delivery) []entry {
	list := []entry{{bucketDeliveriesOf, orderKey(ownerPrefix(v.UserID), v.Created, v.ID)}}
	if v.State == sx.DeliveryPending {
		return append(list, entry{bucketDue, orderKey(nil, v.Due, v.ID)})
	}
	return append(list, entry{bucketSettled, orderKey(nil, v.Created, v.ID)})
}

func (s *deliveries) Get(ctx context.Context, id string) (v sx.Delivery, err error) {
	err = s.db.view(ctx, "read delivery", func(t tx) error {
		v, err = deliveryRecords.get(t, id)
		return err
	})
	return v, err
}

func (s *deliveries) Replace(ctx context.Context, v sx.Delivery) error {
	return s.db.update(ctx, "change delivery", func(t tx) error {
		old, err := deliveryRecords.current(t, v.ID, v)
		if err != nil {
			return err
		}
		return errors.Join(
			deleteAll(t, deliveryEntries(old)),
			deliveryRecords.replace(t, v.ID, v),
			putAll(t, deliveryEntries(v)),
		)
	})
}

func (s *deliveries) Due(ctx context.Context, now time.Time, limit int) (list []sx.Delivery, more bool, err error) {
	err = s.db.view(ctx, "list due deliveries", func(t tx) error {
		size := 0
		c := t.Bucket(bucketDue).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			id := k[idAt(nil):]
			v, err := deliveryRecords.get(t, string(id))
			if err != nil {
				return err
			}
			if v.Due.After(now) {
				return nil
			}
			size += len(t.Bucket(bucketDeliveries).Get(id))
			if more = len(list) == limit || len(list) > 0 && size > store.MaxPageBytes; more {
				return nil
			}
			list = append(list, v)
		}
		return nil
	})
	return list, more, err
}

func (s *deliveries) List(ctx context.Context, userID string, after *store.Cursor, limit int) (list []sx.Delivery, next *store.Cursor, err error) {
	err = s.db.view(ctx, "list deliveries", func(t tx) error {
		prefix := ownerPrefix(userID)
		for c := newestFirst(t, bucketDeliveriesOf, prefix, after); c.key != nil; c.prev() {
			if len(list) == limit {
				next = &store.Cursor{Created: list[limit-1].Created, ID: list[limit-1].ID}
				return nil
			}
			v, err := deliveryRecords.get(t, string(c.key[idAt(prefix):]))
			if err != nil {
				return err
			}
			v.Payload = nil
			list = append(list, v)
		}
		return nil
	})
	return list, next, err
}

func (s *deliveries) DeleteOf(ctx context.Context, userID string) error {
	prefix := ownerPrefix(userID)
	return s.deleteInBatches(ctx, "delete the deliveries of a user", bucketDeliveriesOf, prefix, afterOwner(prefix))
}

func (s *deliveries) DeleteSettled(ctx context.Context, before time.Time) error {
	return s.deleteInBatches(ctx, "delete old deliveries", bucketSettled, nil, orderKey(nil, before, ""))
}

// deleteInBatches deletes the deliveries whose keys in the index have the prefix and are
// before end.
func (s *deliveries) deleteInBatches(ctx context.Context, doing string, index, prefix, end []byte) error {
	return s.db.updateInBatches(ctx, doing, func(t tx) (n int, err error) {
		for _, key := range firstKeys(t, index, prefix, end) {
			v, err := deliveryRecords.get(t, string(key[idAt(prefix):]))
			if err != nil {
				return n, err
			}
			if err := errors.Join(deleteAll(t, deliveryEntries(v)), t.Bucket(bucketDeliveries).Delete([]byte(v.ID))); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}
