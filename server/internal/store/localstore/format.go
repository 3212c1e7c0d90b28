package localstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/soundextract/sx/server/internal/store/format"
)

// tx is a transaction with the formats of its records.
type tx struct {
	*bbolt.Tx
	format *format.Replica
}

// formatRecords implements format.Records in the bucket meta.
type formatRecords struct{ bolt *bbolt.DB }

func (s formatRecords) Load(ctx context.Context) (r format.Record, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = s.bolt.View(func(t *bbolt.Tx) error {
		r, err = loadFormat(t)
		return err
	})
	return r, wrapError("read the format of sx.db", err)
}

func (s formatRecords) Replace(ctx context.Context, r format.Record) (replaced bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = s.bolt.Update(func(t *bbolt.Tx) error {
		stored, err := loadFormat(t)
		if replaced = err == nil && stored.Rev == r.Rev; !replaced {
			return err
		}
		r.Rev++
		data, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode the format: %w", err)
		}
		meta, err := t.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyFormat, data)
	})
	return replaced && err == nil, wrapError("change the format of sx.db", err)
}

func loadFormat(t *bbolt.Tx) (r format.Record, err error) {
	meta := t.Bucket(bucketMeta)
	if meta == nil {
		return r, nil
	}
	if data := meta.Get(keyFormat); data != nil {
		if err := json.Unmarshal(data, &r); err != nil {
			return r, fmt.Errorf("decode the format: %w", err)
		}
	}
	return r, nil
}

// A record is JSON, after one byte with its format. Records of format 1 lack the byte.
// Totals and indexes, which are derived, are the same in all formats.

// decode decodes a record in a format that this release reads.
func (t tx) decode(kind, data []byte, v any) error {
	mark := 0
	if len(data) > 0 && data[0] != '{' {
		mark, data = int(data[0]), data[1:]
	}
	change, err := t.format.Decoder(mark)
	if err != nil {
		return err
	}
	if change != nil {
		if data, err = rewrite(kind, data, change); err != nil {
			return err
		}
	}
	return json.Unmarshal(data, v)
}

// encode returns what is stored for a record.
func (t tx) encode(kind []byte, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	mark, change := t.format.Encoder()
	if change != nil {
		if data, err = rewrite(kind, data, change); err != nil {
			return nil, err
		}
	}
	if mark > 0 {
		data = append([]byte{byte(mark)}, data...)
	}
	return data, nil
}

func rewrite(kind, data []byte, change format.Change) ([]byte, error) {
	doc := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	change(string(kind), doc)
	return json.Marshal(doc)
}
