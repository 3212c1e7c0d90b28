package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var (
	errNotFound = errors.New("no such document")
	errExists   = errors.New("there is such a document already")
)

// collection bounds each operation in time and gives its errors their codes.
type collection struct {
	c *mongo.Collection
}

// do runs one operation.
func (c collection) do(ctx context.Context, doing string, operation func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return wrapError(ctx, doing+" "+c.c.Name(), operation(bounded))
}

// get reads the document of the id, or gives errNotFound.
func get[D any](ctx context.Context, c collection, id any, without ...string) (D, error) {
	var d D
	var raw bson.Raw
	err := c.do(ctx, "reading", func(ctx context.Context) (err error) {
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

func decode(c collection, raw bson.Raw, d any) error {
	if err := bson.Unmarshal(raw, d); err != nil {
		return fmt.Errorf("decoding from %s: %w", c.c.Name(), err)
	}
	return nil
}

// list reads the documents that match.
func list[D any](ctx context.Context, c collection, filter bson.D, opts ...options.Lister[options.FindOptions]) ([]D, error) {
	var found []bson.Raw
	err := c.do(ctx, "listing", func(ctx context.Context) error {
		cursor, err := c.c.Find(ctx, filter, opts...)
		if err != nil {
			return err
		}
		return cursor.All(ctx, &found)
	})
	if err != nil {
		return nil, err
	}
	ds := make([]D, len(found))
	for i, raw := range found {
		if err := decode(c, raw, &ds[i]); err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// insert stores a new document, or gives errExists where one has its id or
// another unique value of it.
func (c collection) insert(ctx context.Context, doc any) error {
	exists := false
	err := c.do(ctx, "inserting into", func(ctx context.Context) error {
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

// replace and update change the one document that matches, and tell whether
// there was one.
func (c collection) replace(ctx context.Context, filter bson.D, doc any) (matched bool, err error) {
	err = c.do(ctx, "replacing in", func(ctx context.Context) error {
		r, err := c.c.ReplaceOne(ctx, filter, doc)
		matched = err == nil && r.MatchedCount == 1
		return err
	})
	return matched, err
}

func (c collection) update(ctx context.Context, filter, change bson.D) (matched bool, err error) {
	err = c.do(ctx, "updating", func(ctx context.Context) error {
		r, err := c.c.UpdateOne(ctx, filter, change)
		matched = err == nil && r.MatchedCount == 1
		return err
	})
	return matched, err
}

func (c collection) delete(ctx context.Context, filter bson.D) (deleted bool, err error) {
	err = c.do(ctx, "deleting from", func(ctx context.Context) error {
		r, err := c.c.DeleteOne(ctx, filter)
		deleted = err == nil && r.DeletedCount == 1
		return err
	})
	return deleted, err
}

// deleteID removes the document of the id, if there is one.
func (c collection) deleteID(ctx context.Context, id string) error {
	_, err := c.delete(ctx, bson.D{{Key: "_id", Value: id}})
	return err
}

// deleteExpired removes the documents whose field expires is before now.
func (c collection) deleteExpired(ctx context.Context, now time.Time) error {
	return c.do(ctx, "deleting the expired of", func(ctx context.Context) error {
		_, err := c.c.DeleteMany(ctx, bson.D{{Key: "expires", Value: bson.D{{Key: "$lt", Value: now}}}})
		return err
	})
}

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
	return c.do(ctx, "indexing", func(ctx context.Context) error {
		_, err := c.c.Indexes().CreateOne(ctx, model)
		return err
	})
}
