package localstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
		if err := deliveryRecords.create(t, v.ID, v); err != nil {
			return err
		}
		return indexDue(t, v)
	})
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
			t.Bucket(bucketDue).Delete(orderKey(nil, old.Due, old.ID)),
			deliveryRecords.replace(t, v.ID, v),
			indexDue(t, v),
		)
	})
}

// indexDue enters a pending delivery into the index by due time.
func indexDue(t tx, v sx.Delivery) error {
	if v.State != sx.DeliveryPending {
		return nil
	}
	return t.Bucket(bucketDue).Put(orderKey(nil, v.Due, v.ID), nil)
}

func (s *deliveries) Due(ctx context.Context, now time.Time, limit int) (list []sx.Delivery, err error) {
	err = s.db.view(ctx, "list due deliveries", func(t tx) error {
		c := t.Bucket(bucketDue).Cursor()
		for k, _ := c.First(); k != nil && len(list) < limit; k, _ = c.Next() {
			v, err := deliveryRecords.get(t, string(k[idAt(nil):]))
			if err != nil {
				return err
			}
			if v.Due.After(now) {
				return nil
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

func (s *deliveries) List(ctx context.Context, userID string, limit int) (list []sx.Delivery, err error) {
	err = s.db.view(ctx, "list deliveries", func(t tx) error {
		list, err = deliveryRecords.all(t, func(v sx.Delivery) bool { return v.UserID == userID })
		return err
	})
	slices.SortFunc(list, func(a, b sx.Delivery) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return list[:min(limit, len(list))], err
}

func (s *deliveries) DeleteSettled(ctx context.Context, before time.Time) error {
	return s.db.update(ctx, "delete old deliveries", func(t tx) error {
		return deliveryRecords.deleteAll(t, func(v sx.Delivery) bool {
			return v.State != sx.DeliveryPending && v.Created.Before(before)
		})
	})
}
