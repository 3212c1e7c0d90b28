package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// deliveryHead reads a delivery without its payload, which is most of its size.
func deliveryHead(t tx, id string) (sx.Delivery, error) {
	var v sx.Delivery
	data := t.Bucket(bucketDeliveries).Get([]byte(id))
	if data == nil {
		return v, sx.NewError(sx.CodeNotFound, "delivery %s not found", id)
	}
	if err := t.decode(bucketDeliveries, cutPayload(data), &v); err != nil {
		return v, fmt.Errorf("decode delivery %s: %w", id, err)
	}
	v.Payload = nil
	return v, nil
}

// cutPayload returns the record with an empty payload. In JSON a quotation mark within a
// text is escaped, so the first field of this name is the payload, and its base64 ends at
// the next quotation mark.
func cutPayload(data []byte) []byte {
	before, after, found := bytes.Cut(data, []byte(`"Payload":"`))
	if _, rest, ended := bytes.Cut(after, []byte(`"`)); found && ended {
		return slices.Concat(before, []byte(`"Payload":""`), rest)
	}
	return data
}

func (s *deliveries) Create(ctx context.Context, v sx.Delivery) error {
	return s.db.update(ctx, "store delivery", func(t tx) error {
		return errors.Join(deliveryRecords.create(t, v.ID, v), indexDelivery(t, v))
	})
}

// indexDelivery adds the delivery to the indexes. The values are what else a query needs to
// know, so that it reads no deliveries that it passes over: the state, and the queue of what
// is due. Entries of earlier releases have none.
func indexDelivery(t tx, v sx.Delivery) error {
	byState, key := stateEntry(v)
	var queue []byte
	if v.State == sx.DeliveryPending {
		queue = []byte(v.Queue())
	}
	return errors.Join(t.Bucket(bucketDeliveriesOf).Put(deliveryOfKey(v), []byte(v.State)), t.Bucket(byState).Put(key, queue))
}

func unindexDelivery(t tx, v sx.Delivery) error {
	byState, key := stateEntry(v)
	return errors.Join(t.Bucket(bucketDeliveriesOf).Delete(deliveryOfKey(v)), t.Bucket(byState).Delete(key))
}

func deliveryOfKey(v sx.Delivery) []byte { return orderKey(ownerPrefix(v.UserID), v.Created, v.ID) }

// stateEntry returns the index of the deliveries in the state, and the delivery's key.
func stateEntry(v sx.Delivery) (bucket, key []byte) {
	if v.State == sx.DeliveryPending {
		return bucketDue, orderKey(nil, v.Due, v.ID)
	}
	return bucketSettled, orderKey(nil, v.Created, v.ID)
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
		return errors.Join(unindexDelivery(t, old), deliveryRecords.replace(t, v.ID, v), indexDelivery(t, v))
	})
}

func (s *deliveries) Due(ctx context.Context, now time.Time, busy store.Busy, limit int) (list []sx.Delivery, more bool, err error) {
	err = s.db.view(ctx, "list due deliveries", func(t tx) error {
		size := 0
		c := t.Bucket(bucketDue).Cursor()
		for k, queue := c.First(); k != nil && !orderTime(k).After(now); k, queue = c.Next() {
			id := string(k[idAt(nil):])
			if len(queue) == 0 {
				head, err := deliveryHead(t, id)
				if err != nil {
					return err
				}
				queue = []byte(head.Queue())
			}
			if isBusy(busy, string(queue)) {
				continue
			}
			size += len(t.Bucket(bucketDeliveries).Get([]byte(id)))
			if more = len(list) == limit || len(list) > 0 && size > store.MaxPageBytes; more {
				return nil
			}
			v, err := deliveryRecords.get(t, id)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	return list, more, err
}

func isBusy(busy store.Busy, queue string) bool {
	user, channel, _ := strings.Cut(queue, "/")
	return slices.Contains(busy.Queues, queue) || slices.Contains(busy.Users, user) || busy.Email && channel == string(sx.ChannelEmail)
}

func (s *deliveries) List(ctx context.Context, userID string, after *store.Cursor, limit int) (list []sx.Delivery, next *store.Cursor, err error) {
	err = s.db.view(ctx, "list deliveries", func(t tx) error {
		prefix := ownerPrefix(userID)
		for c := newestFirst(t, bucketDeliveriesOf, prefix, after); c.key != nil; c.prev() {
			if len(list) == limit {
				next = &store.Cursor{Created: list[limit-1].Created, ID: list[limit-1].ID}
				return nil
			}
			head, err := deliveryHead(t, string(c.key[idAt(prefix):]))
			if err != nil {
				return err
			}
			list = append(list, head)
		}
		return nil
	})
	return list, next, err
}

func (s *deliveries) Surplus(ctx context.Context, userID string, keep int) (list []sx.Delivery, err error) {
	err = s.db.view(ctx, "list the surplus of pending deliveries", func(t tx) error {
		ids, err := deliveriesBeyond(t, userID, true, keep)
		if err != nil {
			return err
		}
		size := 0
		for _, id := range ids {
			if size += len(t.Bucket(bucketDeliveries).Get([]byte(id))); len(list) > 0 && size > store.MaxPageBytes {
				return nil
			}
			v, err := deliveryRecords.get(t, id)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

func (s *deliveries) TrimSettled(ctx context.Context, userID string, keep int) error {
	var ids []string
	find := func(t tx) (err error) {
		ids, err = deliveriesBeyond(t, userID, false, keep)
		return err
	}
	// Usually there is nothing to remove, so nothing is written.
	if err := s.db.view(ctx, "list old deliveries", find); err != nil || len(ids) == 0 {
		return err
	}
	return s.db.updateInBatches(ctx, "delete old deliveries of a user", func(t tx) (n int, err error) {
		if err := find(t); err != nil {
			return 0, err
		}
		for _, id := range ids {
			if err := removeDelivery(t, id); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// deliveriesBeyond returns at most a batch of IDs of the user's deliveries beyond the newest
// keep, of those that are pending or of the others.
func deliveriesBeyond(t tx, userID string, pending bool, keep int) (ids []string, err error) {
	prefix := ownerPrefix(userID)
	n := 0
	for c := newestFirst(t, bucketDeliveriesOf, prefix, nil); c.key != nil && len(ids) < batch; c.prev() {
		id, state := string(c.key[idAt(prefix):]), sx.DeliveryState(c.value)
		if state == "" {
			head, err := deliveryHead(t, id)
			if err != nil {
				return nil, err
			}
			state = head.State
		}
		if (state == sx.DeliveryPending) != pending {
			continue
		}
		if n++; n > keep {
			ids = append(ids, id)
		}
	}
	return ids, nil
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
			if err := removeDelivery(t, string(key[idAt(prefix):])); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

func removeDelivery(t tx, id string) error {
	head, err := deliveryHead(t, id)
	if err != nil {
		return err
	}
	return errors.Join(unindexDelivery(t, head), deliveryRecords.delete(t, id))
}
