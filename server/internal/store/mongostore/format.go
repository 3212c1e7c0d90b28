package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store/format"
)

// formatID is the ID of the only document of the collection "format".
const formatID = "store"

// formatRecords implements format.Records.
type formatRecords struct{ c collection }

type formatDoc struct {
	ID            string `bson:"_id"`
	format.Record `bson:",inline"`
}

func (s formatRecords) Load(ctx context.Context) (format.Record, error) {
	d, err := get[formatDoc](ctx, s.c, formatID)
	if errors.Is(err, errNotFound) {
		return format.Record{}, nil
	}
	return d.Record, err
}

func (s formatRecords) Replace(ctx context.Context, r format.Record) (bool, error) {
	rev := r.Rev
	r.Rev++
	d := formatDoc{formatID, r}
	if rev > 0 {
		return s.c.replace(ctx, atRev(formatID, rev), d)
	}
	err := s.c.insert(ctx, d)
	if errors.Is(err, errExists) {
		return false, nil
	}
	return err == nil, err
}

// markKey is the field of a document that has its format. Documents of format 1 lack it,
// and so do those that are only ever changed in part, such as owners, and GridFS's own.
const markKey = "format"

// decode decodes a document in a format that this release reads.
func decode(c collection, raw bson.Raw, d any) error {
	if c.format != nil {
		mark, _ := raw.Lookup(markKey).AsInt64OK()
		change, err := c.format.Decoder(int(mark))
		if err != nil {
			return err
		}
		if change != nil {
			if raw, err = c.rewrite(raw, 0, change); err != nil {
				return err
			}
		}
	}
	if err := bson.Unmarshal(raw, d); err != nil {
		return fmt.Errorf("decode a document of %s: %w", c.c.Name(), err)
	}
	return nil
}

// encode returns what is stored for a document.
func (c collection) encode(doc any) (any, error) {
	if c.format == nil {
		return doc, nil
	}
	mark, change := c.format.Encoder()
	if mark == 0 && change == nil {
		return doc, nil
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode a document of %s: %w", c.c.Name(), err)
	}
	return c.rewrite(raw, mark, change)
}

// rewrite applies change, if there is one, to a document, and marks it.
func (c collection) rewrite(raw bson.Raw, mark int, change format.Change) (bson.Raw, error) {
	doc := bson.M{}
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("decode a document of %s: %w", c.c.Name(), err)
	}
	if change != nil {
		change(c.c.Name(), doc)
	}
	delete(doc, markKey)
	if mark > 0 {
		doc[markKey] = int64(mark)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode a document of %s: %w", c.c.Name(), err)
	}
	return raw, nil
}
