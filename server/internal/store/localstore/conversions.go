package localstore

import (
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
		return s.trim(t, c, keep)
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

// trim removes the oldest records of the owner, until the others have at most keep tracks,
// when it is due after a record was put.
func (s *conversions) trim(t tx, put sx.Conversion, keep int) error {
	if !store.TrimDue(keep, len(put.Tracks)) {
		return nil
	}
	tracks := 0
	var old []sx.Conversion
	for c := newestFirst(t, bucketRecorded, ownerPrefix(put.Owner), nil); c.key != nil; c.prev() {
		v, err := conversionRecords.get(t, string(c.order()[idAt(nil):]))
		if err != nil {
			return err
		}
		if tracks += len(v.Tracks); tracks > keep {
			old = append(old, sx.Conversion{Owner: v.Owner, Identity: v.Identity, Options: v.Options, Recorded: v.Recorded})
		}
	}
	for _, v := range old {
		if err := s.remove(t, v); err != nil {
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

func (s *conversions) Find(ctx context.Context, owner string, keys []store.ConversionKey) (list []sx.Conversion, err error) {
	err = s.db.view(ctx, "find conversions", func(t tx) error {
		for _, k := range keys {
			v, err := conversionRecords.get(t, conversionKey(sx.Conversion{Owner: owner, Identity: k.Identity, Options: k.Options}))
			switch {
			case sx.CodeOf(err) == sx.CodeNotFound:
				continue
			case err != nil:
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}
