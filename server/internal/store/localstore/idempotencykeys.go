package localstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type idempotencyKeys struct {
	db *database
}

var _ store.IdempotencyKeys = (*idempotencyKeys)(nil)

var keyRecords = records[sx.IdempotencyKey]{
	bucket: bucketKeys, kind: "idempotency key",
	rev:    func(k *sx.IdempotencyKey) *int64 { return &k.Rev },
	expiry: bucketKeyExpiry, expires: func(k sx.IdempotencyKey) time.Time { return k.Expires },
}

// keyID is the owner, NUL and the key, which contains no NUL.
func keyID(owner, key string) string { return string(ownerPrefix(owner)) + key }

// keyOrder orders the keys of an owner by their time.
func keyOrder(k sx.IdempotencyKey) []byte {
	return orderKey(ownerPrefix(k.Owner), k.Expires, keyID(k.Owner, k.Key))
}

func (s *idempotencyKeys) Create(ctx context.Context, k sx.IdempotencyKey, keep int) error {
	return s.db.update(ctx, "store idempotency key", func(t tx) error {
		if err := keyRecords.create(t, keyID(k.Owner, k.Key), k); err != nil {
			return err
		}
		if err := t.Bucket(bucketKeysOf).Put(keyOrder(k), nil); err != nil {
			return err
		}
		return s.trim(t, k.Owner, keep)
	})
}

// trim removes the owner's keys beyond the newest keep, when it is due.
func (s *idempotencyKeys) trim(t tx, owner string, keep int) error {
	if !store.TrimDue(keep, 1) {
		return nil
	}
	prefix := ownerPrefix(owner)
	n := 0
	var oldest []string
	c := t.Bucket(bucketKeysOf).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n++
	}
	for k, _ := c.Seek(prefix); len(oldest) < n-keep; k, _ = c.Next() {
		oldest = append(oldest, string(k[idAt(prefix):]))
	}
	return s.removeAll(t, oldest)
}

func (s *idempotencyKeys) Get(ctx context.Context, owner, key string) (k sx.IdempotencyKey, err error) {
	err = s.db.view(ctx, "read idempotency key", func(t tx) error {
		k, err = keyRecords.get(t, keyID(owner, key))
		return err
	})
	return k, err
}

func (s *idempotencyKeys) Replace(ctx context.Context, k sx.IdempotencyKey) error {
	return s.db.update(ctx, "change idempotency key", func(t tx) error {
		id := keyID(k.Owner, k.Key)
		old, err := keyRecords.current(t, id, k)
		if err != nil {
			return err
		}
		order := t.Bucket(bucketKeysOf)
		if err := errors.Join(order.Delete(keyOrder(old)), order.Put(keyOrder(k), nil)); err != nil {
			return err
		}
		return keyRecords.replace(t, id, k)
	})
}

func (s *idempotencyKeys) Delete(ctx context.Context, k sx.IdempotencyKey) error {
	return s.db.update(ctx, "delete idempotency key", func(t tx) error {
		id := keyID(k.Owner, k.Key)
		_, err := keyRecords.current(t, id, k)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			return nil
		case err != nil:
			return err
		}
		return s.removeAll(t, []string{id})
	})
}

func (s *idempotencyKeys) DeleteOf(ctx context.Context, owner string) error {
	prefix := ownerPrefix(owner)
	return s.db.updateInBatches(ctx, "delete the idempotency keys of an owner", func(t tx) (int, error) {
		var ids []string
		for _, k := range firstKeys(t, bucketKeysOf, prefix, afterOwner(prefix)) {
			ids = append(ids, string(k[idAt(prefix):]))
		}
		return len(ids), s.removeAll(t, ids)
	})
}

func (s *idempotencyKeys) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.db.updateInBatches(ctx, "delete expired idempotency keys", func(t tx) (int, error) {
		ids := keyRecords.expired(t, now)
		return len(ids), s.removeAll(t, ids)
	})
}

func (s *idempotencyKeys) removeAll(t tx, ids []string) error {
	for _, id := range ids {
		k, err := keyRecords.get(t, id)
		if err == nil {
			err = errors.Join(t.Bucket(bucketKeysOf).Delete(keyOrder(k)), keyRecords.delete(t, id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
