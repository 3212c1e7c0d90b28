package localstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// records stores records of one kind in a bucket, as JSON under their IDs.
type records[T any] struct {
	bucket []byte
	kind   string          // for messages
	rev    func(*T) *int64 // nil for a kind that is not changed by compare-and-set
}

func (r records[T]) get(t tx, id string) (T, error) {
	var v T
	data := t.Bucket(r.bucket).Get([]byte(id))
	if data == nil {
		return v, sx.NewError(sx.CodeNotFound, "%s %s not found", r.kind, id)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("decode %s %s: %w", r.kind, id, err)
	}
	return v, nil
}

func (r records[T]) put(t tx, id string, v T) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", r.kind, id, err)
	}
	return t.Bucket(r.bucket).Put([]byte(id), data)
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

// all returns the records for which match is true, in the order of their IDs.
func (r records[T]) all(t tx, match func(T) bool) (list []T, err error) {
	err = t.Bucket(r.bucket).ForEach(func(id, _ []byte) error {
		v, err := r.get(t, string(id))
		if err == nil && match(v) {
			list = append(list, v)
		}
		return err
	})
	return list, err
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

// deleteAll deletes the records for which match is true.
func (r records[T]) deleteAll(t tx, match func(T) bool) error {
	bucket := t.Bucket(r.bucket)
	var ids [][]byte
	err := bucket.ForEach(func(id, _ []byte) error {
		v, err := r.get(t, string(id))
		if err == nil && match(v) {
			ids = append(ids, bytes.Clone(id))
		}
		return err
	})
	for _, id := range ids {
		err = errors.Join(err, bucket.Delete(id))
	}
	return err
}
