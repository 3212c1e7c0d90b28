package localstore

import (
	"encoding/json"
	"fmt"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// records keeps records of one kind as JSON under their ids.
type records[T any] struct {
	bucket []byte
	kind   string          // for messages
	hint   string          // what to do about an absent record
	rev    func(*T) *int64 // nil for a kind that is not changed by compare-and-set
}

func (k records[T]) get(t tx, id string) (T, error) {
	var v T
	data := t.Bucket(k.bucket).Get([]byte(id))
	if data == nil {
		return v, sx.NewError(sx.CodeNotFound, "there is no %s %s", k.kind, id).WithHint("%s", k.hint)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("decoding %s %s: %w", k.kind, id, err)
	}
	return v, nil
}

func (k records[T]) put(t tx, id string, v T) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s %s: %w", k.kind, id, err)
	}
	return t.Bucket(k.bucket).Put([]byte(id), data)
}

// create stores a new record, with Rev 1 if its kind has one.
func (k records[T]) create(t tx, id string, v T) error {
	if t.Bucket(k.bucket).Get([]byte(id)) != nil {
		return sx.NewError(sx.CodeConflict, "there is a %s %s already", k.kind, id)
	}
	if k.rev != nil {
		*k.rev(&v) = 1
	}
	return k.put(t, id, v)
}

// all gives the records that the choice is true for, in the order of their ids.
func (k records[T]) all(t tx, choose func(T) bool) (list []T, err error) {
	err = t.Bucket(k.bucket).ForEach(func(id, _ []byte) error {
		v, err := k.get(t, string(id))
		if err == nil && choose(v) {
			list = append(list, v)
		}
		return err
	})
	return list, err
}

// current gives the stored record if its Rev is that of v, else ErrStale.
func (k records[T]) current(t tx, id string, v T) (T, error) {
	old, err := k.get(t, id)
	if err == nil && *k.rev(&old) != *k.rev(&v) {
		err = store.ErrStale
	}
	return old, err
}

// replace stores v with its Rev raised; the caller has checked current.
func (k records[T]) replace(t tx, id string, v T) error {
	*k.rev(&v)++
	return k.put(t, id, v)
}
