package mongostore

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store/format"
)

var (
	errNotFound = errors.New("document not found")
	errExists   = errors.New("document already exists")
)

// collection limits the time of each operation, wraps its errors and translates
// documents between formats.
type collection struct {
	c      *mongo.Collection
	format *format.Replica // nil for documents that are the same in all formats
}

// do runs one operation; doing and the collection's name go into its errors.
func (c collection) do(ctx context.Context, doing string, operation func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return wrapError(ctx, doing+" "+c.c.Name(), operation(bounded))
}

// get reads the document with the given _id, without the given fields. It returns
// errNotFound if there is none.
func get[D any](ctx context.Context, c collection, id any, without ...string) (D, error) {
	var d D
	var raw bson.Raw
	err := c.do(ctx, "read from", func(ctx context.Context) (err error) {
		raw, err = c.c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}, options.FindOne().SetProjection(excluding(without))).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			raw, err = nil, nil
		}
		return err
	})
	if err == nil && raw == nil {
		return d, errNotFound
	}
	if err == nil {
		err = decode(c, raw, &d)
	}
	return d, err
}

func excluding(fields []string) any {
	if len(fields) == 0 {
		return nil
	}
	p := bson.D{}
	for _, f := range fields {
		p = append(p, bson.E{Key: f, Value: 0})
	}
	return p
}

// list reads the documents that match the filter.
func list[D any](ctx context.Context, c collection, filter bson.D, opts ...options.Lister[options.FindOptions]) ([]D, error) {
	ds, _, err := listUpTo[D](ctx, c, math.MaxInt, filter, opts...)
	return ds, err
}

// listUpTo is list, but ends before the document with which they would have more than so
// many bytes, unless it is the first one. cut reports whether it did.
func listUpTo[D any](ctx context.Context, c collection, most int, filter bson.D, opts ...options.Lister[options.FindOptions]) (ds []D, cut bool, err error) {
	var found []bson.Raw
	err = c.do(ctx, "list", func(ctx context.Context) error {
		cursor, err := c.c.Find(ctx, filter, opts...)
		if err != nil {
			return err
		}
		defer func() { _ = cursor.Close(ctx) }() // within the time of the operation; what was read is complete
		found, cut = nil, false
		for size := 0; cursor.Next(ctx); {
			size += len(cursor.Current)
			if cut = len(found) > 0 && size > most; cut {
				return nil
			}
			found = append(found, slices.Clone(cursor.Current))
		}
		return cursor.Err()
	})
	if err != nil {
		return nil, false, err
	}
	ds = make([]D, len(found))
	for i, raw := range found {
		if err := decode(c, raw, &ds[i]); err != nil {
			return nil, false, err
		}
	}
	return ds, cut, nil
}

// insert stores a new document. It returns errExists if another one has its _id
// or the same value of a unique index.
func (c collection) insert(ctx context.Context, doc any) error {
	exists := false
	doc, err := c.encode(doc)
	if err != nil {
		return err
	}
	err = c.do(ctx, "insert into", func(ctx context.Context) error {
		_, err := c.c.InsertOne(ctx, doc)
		if exists = mongo.IsDuplicateKeyError(err); exists {
			err = nil
		}
		return err
	})
	if err == nil && exists {
		return errExists
	}
	return err
}

// replace and update change one document that matches the filter, and report
// whether there was one.
func (c collection) replace(ctx context.Context, filter bson.D, doc any) (matched bool, err error) {
	if doc, err = c.encode(doc); err != nil {
		return false, err
	}
	err = c.do(ctx, "replace in", func(ctx context.Context) error {
		r, err := c.c.ReplaceOne(ctx, filter, doc)
		matched = err == nil && r.MatchedCount == 1
		return err
	})
	return matched, err
}

func (c collection) update(ctx context.Context, filter, change bson.D) (matched bool, err error) {
	err = c.do(ctx, "update", func(ctx context.Context) error {
		r, err := c.c.UpdateOne(ctx, filter, change)
		matched = err == nil && r.MatchedCount == 1
		return err
	})
	return matched, err
}

func (c collection) delete(ctx context.Context, filter bson.D) (deleted bool, err error) {
	err = c.do(ctx, "delete from", func(ctx context.Context) error {
		r, err := c.c.DeleteOne(ctx, filter)
		deleted = err == nil && r.DeletedCount == 1
		return err
	})
	return deleted, err
}

// deleteID deletes the document with the given _id, if there is one.
func (c collection) deleteID(ctx context.Context, id string) error {
	_, err := c.delete(ctx, bson.D{{Key: "_id", Value: id}})
	return err
}

// page reads the given fields of at most limit documents whose _id, a text, sorts after
// the given one, in the order of their _ids.
func page[D any](ctx context.Context, c collection, after string, limit int, fields ...string) ([]D, error) {
	projection := bson.D{{Key: "_id", Value: 1}, {Key: markKey, Value: 1}}
	for _, f := range fields {
		projection = append(projection, bson.E{Key: f, Value: 1})
	}
	return list[D](ctx, c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)).SetProjection(projection))
}

// deleteExpired deletes the documents whose field expires is before now.
func (c collection) deleteExpired(ctx context.Context, now time.Time) error {
	return c.deleteAll(ctx, bson.D{{Key: "expires", Value: bson.D{{Key: "$lt", Value: now}}}})
}

// deletedAtOnce is how many documents one command of deleteAll deletes, so that it ends
// within operationTimeout.
const deletedAtOnce = 500

// deleteAll deletes the documents that match the filter, of those that the options select.
func (c collection) deleteAll(ctx context.Context, filter bson.D, opts ...options.Lister[options.FindOptions]) error {
	opts = append(opts, options.Find().SetLimit(deletedAtOnce).SetProjection(bson.D{{Key: "_id", Value: 1}}))
	for {
		found, err := list[struct {
			ID string `bson:"_id"`
		}](ctx, c, filter, opts...)
		if err != nil {
			return err
		}
		ids := make([]string, len(found))
		for i, d := range found {
			ids[i] = d.ID
		}
		if len(ids) > 0 {
			// The filter again: a document may have changed since.
			err = c.do(ctx, "delete from", func(ctx context.Context) error {
				_, err := c.c.DeleteMany(ctx, append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, filter...))
				return err
			})
		}
		if err != nil || len(ids) < deletedAtOnce {
			return err
		}
	}
}

// index creates an index if it does not exist. A "-" before a key means descending
// order.
func (c collection) index(ctx context.Context, unique bool, keys ...string) error {
	model := mongo.IndexModel{}
	spec := bson.D{}
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k, "-"); ok {
			spec = append(spec, bson.E{Key: name, Value: -1})
		} else {
			spec = append(spec, bson.E{Key: k, Value: 1})
		}
	}
	model.Keys = spec
	if unique {
		model.Options = options.Index().SetUnique(true)
	}
	return c.do(ctx, "create an index of", func(ctx context.Context) error {
		_, err := c.c.Indexes().CreateOne(ctx, model)
		return err
	})
}
