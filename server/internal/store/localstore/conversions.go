package localstore

import (
	"bytes"
	"context"
	"errors"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type conversions struct {
	db *database
}

var _ store.Conversions = (*conversions)(nil)

var conversionRecords = records[sx.Conversion]{bucket: bucketConversions, kind: "conversion"}

// conversionKey is the owner, NUL, the identity, NUL and the options.
func conversionKey(c sx.Conversion) string {
	return string(twoPrefix(c.Owner, c.Identity)) + c.Options
}

func (s *conversions) Put(ctx context.Context, c sx.Conversion, keep int) error {
	return s.db.updateAlways(ctx, "record conversion", func(t tx) error {
		key := conversionKey(c)
		old, err := conversionRecords.get(t, key)
		switch {
		case err == nil:
			err = s.remove(t, old)
		case sx.CodeOf(err) == sx.CodeNotFound:
			err = nil
		}
		if err != nil {
			return err
		}
		if err := errors.Join(conversionRecords.put(t, key, c), t.Bucket(bucketRecorded).Put(recordedKey(c), nil)); err != nil {
			return err
		}
		return s.trim(t, c.Owner, keep)
	})
}

// recordedKey orders the records of an owner by their time.
func recordedKey(c sx.Conversion) []byte {
	return orderKey(ownerPrefix(c.Owner), c.Recorded, conversionKey(c))
}

func (s *conversions) remove(t tx, c sx.Conversion) error {
	return errors.Join(
		t.Bucket(bucketConversions).Delete([]byte(conversionKey(c))),
		t.Bucket(bucketRecorded).Delete(recordedKey(c)),
	)
}

// trim removes the owner's records beyond the newest keep, when it is due.
func (s *conversions) trim(t tx, owner string, keep int) error {
	if !store.TrimDue(keep) {
		return nil
	}
	prefix := ownerPrefix(owner)
	n := 0
	var oldest []string
	c := t.Bucket(bucketRecorded).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n++
	}
	for k, _ := c.Seek(prefix); len(oldest) < n-keep; k, _ = c.Next() {
		oldest = append(oldest, string(k[idAt(prefix):]))
	}
	for _, key := range oldest {
		old, err := conversionRecords.get(t, key)
		if err == nil {
			err = s.remove(t, old)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *conversions) DeleteOf(ctx context.Context, owner string) error {
	prefix := ownerPrefix(owner)
	return s.db.updateInBatches(ctx, "delete the conversions of an owner", func(t tx) (n int, err error) {
		for _, key := range firstKeys(t, bucketRecorded, prefix, afterOwner(prefix)) {
			old, err := conversionRecords.get(t, string(key[idAt(prefix):]))
			if err == nil {
				err = s.remove(t, old)
			}
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

func (s *conversions) Find(ctx context.Context, owner string, identities []string) (list []sx.Conversion, err error) {
	err = s.db.view(ctx, "find conversions", func(t tx) error {
		c := t.Bucket(bucketConversions).Cursor()
		for _, identity := range identities {
			prefix := twoPrefix(owner, identity)
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
				v, err := conversionRecords.get(t, string(k))
				if err != nil {
					return err
				}
				list = append(list, v)
			}
		}
		return nil
	})
	return list, err
}
