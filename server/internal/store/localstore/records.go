package localstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// records stores records of one kind in a bucket, as JSON under their IDs.
type records[T any] struct {
	bucket []byte
	kind   string          // for messages
	rev    func(*T) *int64 // nil for a kind that is not changed by compare-and-set
	// expiry is the index by the time that expires returns, for a kind that expires; see
	// orderKey.
	expiry  []byte
	expires func(T) time.Time
}

func (r records[T]) get(t tx, id string) (T, error) {
	var v T
	data := t.Bucket(r.bucket).Get([]byte(id))
	if data == nil {
		return v, sx.NewError(sx.CodeNotFound, "%s %s not found", r.kind, id)
	}
	if err := t.decode(r.bucket, data, &v); err != nil {
		return v, fmt.Errorf("decode %s %s: %w", r.kind, id, err)
	}
	return v, nil
}

func (r records[T]) put(t tx, id string, v T) error {
	data, err := t.encode(r.bucket, v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", r.kind, id, err)
	}
	if r.expiry != nil {
		if err := errors.Join(r.removeExpiry(t, id), t.Bucket(r.expiry).Put(orderKey(nil, r.expires(v), id), nil)); err != nil {
			return err
		}
	}
	return t.Bucket(r.bucket).Put([]byte(id), data)
}

// removeExpiry removes the stored record from the index by its expiry.
func (r records[T]) removeExpiry(t tx, id string) error {
	if t.Bucket(r.bucket).Get([]byte(id)) == nil {
		return nil
	}
	old, err := r.get(t, id)
	if err != nil {
		return err
	}
	return t.Bucket(r.expiry).Delete(orderKey(nil, r.expires(old), id))
}

// delete deletes the record, if there is one.
func (r records[T]) delete(t tx, id string) error {
	if r.expiry != nil {
		if err := r.removeExpiry(t, id); err != nil {
			return err
		}
	}
	return t.Bucket(r.bucket).Delete([]byte(id))
}

// expired returns the IDs of at most a batch of records that expired before now.
func (r records[T]) expired(t tx, now time.Time) (ids []string) {
	for _, k := range firstKeys(t, r.expiry, nil, orderKey(nil, now, "")) {
		ids = append(ids, string(k[idAt(nil):]))
	}
	return ids
}

// deleteExpired deletes at most a batch of records that expired before now, and returns
// how many there were.
func (r records[T]) deleteExpired(t tx, now time.Time) (n int, err error) {
	ids := r.expired(t, now)
	for _, id := range ids {
		if err := r.delete(t, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// create stores a new record, with Rev 1 if its kind has a Rev.
func (r records[T]) create(t tx, id string, v T) error {
	if t.Bucket(r.bucket).Get([]byte(id)) != nil {
		return sx.NewError(sx.CodeConflict, "%s %s already exists", r.kind, id)
	}
	if r.rev != nil {
		*r.rev(&v) = 1
	}
	return r.put(t, id, v)
}

// current returns the stored record if its Rev is that of v, or else ErrStale.
func (r records[T]) current(t tx, id string, v T) (T, error) {
	old, err := r.get(t, id)
	if err == nil && *r.rev(&old) != *r.rev(&v) {
		err = store.ErrStale
	}
	return old, err
}

// replace stores v with its Rev incremented. The caller has called current in
// the same transaction.
func (r records[T]) replace(t tx, id string, v T) error {
	*r.rev(&v)++
	return r.put(t, id, v)
}

// replaceCurrent stores v with its Rev incremented if the stored record has the
// Rev of v, or else returns ErrStale.
func (r records[T]) replaceCurrent(t tx, id string, v T) error {
	if _, err := r.current(t, id, v); err != nil {
		return err
	}
	return r.replace(t, id, v)
}

// deleteMatching deletes the records for which match is true. No index has them, so it reads
// all of the kind: a batch at a time, outside of transactions that change something, so that
// others do not wait for it. A record that is stored meanwhile may be left.
func (r records[T]) deleteMatching(ctx context.Context, db *database, doing string, match func(T) bool) error {
	for after, more := "", true; more; {
		var found []string
		err := db.view(ctx, doing, func(t tx) error {
			n := 0
			c := t.Bucket(r.bucket).Cursor()
			k, _ := c.Seek([]byte(after + "\x00"))
			for ; k != nil && n < batch; k, _ = c.Next() {
				after = string(k)
				n++
				v, err := r.get(t, after)
				if err != nil {
					return err
				}
				if match(v) {
					found = append(found, after)
				}
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		err = db.update(ctx, doing, func(t tx) error {
			for _, id := range found {
				if err := r.delete(t, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
