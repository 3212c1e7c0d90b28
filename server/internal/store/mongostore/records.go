package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// document is a record that is changed by compare-and-set on its rev.
type document interface {
	key() (id string, rev int64)
}

// records stores records of one kind in a collection.
type records[D document] struct {
	collection
	kind string // for messages
}

func (r records[D]) get(ctx context.Context, id string) (D, error) {
	d, err := get[D](ctx, r.collection, id)
	if errors.Is(err, errNotFound) {
		err = sx.NewError(sx.CodeNotFound, "%s %s not found", r.kind, id)
	}
	return d, err
}

func (r records[D]) create(ctx context.Context, d D) error {
	err := r.insert(ctx, d)
	if errors.Is(err, errExists) {
		id, _ := d.key()
		err = sx.NewError(sx.CodeConflict, "%s %s already exists", r.kind, id)
	}
	return err
}

// replaceAt stores d in place of the record with its ID and the given rev, or
// returns ErrStale.
func (r records[D]) replaceAt(ctx context.Context, rev int64, d D) error {
	id, _ := d.key()
	matched, err := r.replace(ctx, atRev(id, rev), d)
	if err != nil || matched {
		return err
	}
	if _, err := r.get(ctx, id); err != nil {
		return err
	}
	return store.ErrStale
}

// replaceOrCreate stores doc in place of the document with the ID and rev, or of none if rev
// is 0, or returns ErrStale.
func (c collection) replaceOrCreate(ctx context.Context, id string, rev int64, doc any) error {
	if rev == 0 {
		err := c.insert(ctx, doc)
		if errors.Is(err, errExists) {
			return store.ErrStale
		}
		return err
	}
	matched, err := c.replace(ctx, atRev(id, rev), doc)
	if err == nil && !matched {
		return store.ErrStale
	}
	return err
}

// deleteAt deletes the record with the given ID and rev, or returns ErrStale.
func (r records[D]) deleteAt(ctx context.Context, id string, rev int64) error {
	deleted, err := r.delete(ctx, atRev(id, rev))
	if err != nil || deleted {
		return err
	}
	_, err = get[D](ctx, r.collection, id)
	switch {
	case errors.Is(err, errNotFound):
		return nil
	case err != nil:
		return err
	default:
		return store.ErrStale
	}
}

// atRev is the filter of a compare-and-set.
func atRev(id string, rev int64) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "rev", Value: rev}}
}
