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

// records keeps records of one kind.
type records[D document] struct {
	collection
	kind string // for messages
	hint string // what to do about an absent record
}

func (t records[D]) notFound(id string) error {
	return sx.NewError(sx.CodeNotFound, "there is no %s %s", t.kind, id).WithHint("%s", t.hint)
}

func (t records[D]) get(ctx context.Context, id string) (D, error) {
	d, err := get[D](ctx, t.collection, id)
	if errors.Is(err, errNotFound) {
		err = t.notFound(id)
	}
	return d, err
}

func (t records[D]) create(ctx context.Context, d D) error {
	err := t.insert(ctx, d)
	if errors.Is(err, errExists) {
		id, _ := d.key()
		err = sx.NewError(sx.CodeConflict, "there is a %s %s already", t.kind, id)
	}
	return err
}

// replaceAt stores d in place of the record of its id and the rev.
func (t records[D]) replaceAt(ctx context.Context, rev int64, d D) error {
	id, _ := d.key()
	matched, err := t.replace(ctx, atRev(id, rev), d)
	if err != nil || matched {
		return err
	}
	if _, err := t.get(ctx, id); err != nil {
		return err
	}
	return store.ErrStale
}

// deleteAt removes the record of the id and the rev.
func (t records[D]) deleteAt(ctx context.Context, id string, rev int64) error {
	deleted, err := t.delete(ctx, atRev(id, rev))
	if err != nil || deleted {
		return err
	}
	_, err = get[D](ctx, t.collection, id)
	switch {
	case errors.Is(err, errNotFound):
		return nil
	case err != nil:
		return err
	default:
		return store.ErrStale
	}
}

func atRev(id string, rev int64) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "rev", Value: rev}}
}
