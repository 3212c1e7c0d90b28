package localstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type audit struct {
	db *database
}

var _ store.Audit = (*audit)(nil)

var auditRecords = records[sx.AuditEntry]{bucket: bucketAudit, kind: "audit entry"}

// accountKey is the key of an entry in the index by account.
func accountKey(e sx.AuditEntry) []byte { return append(ownerPrefix(e.Account), e.ID...) }

func (s *audit) Append(ctx context.Context, e sx.AuditEntry) error {
	return s.db.update(ctx, "store audit entry", func(t tx) error {
		return errors.Join(auditRecords.create(t, e.ID, e), t.Bucket(bucketAuditOf).Put(accountKey(e), nil))
	})
}

func (s *audit) List(ctx context.Context, f store.AuditFilter) (list []sx.AuditEntry, more bool, err error) {
	bucket, prefix := bucketAudit, []byte(nil)
	if f.Account != "" {
		bucket, prefix = bucketAuditOf, ownerPrefix(f.Account)
	}
	first := append(bytes.Clone(prefix), f.From()...)
	end := append(bytes.Clone(prefix), 0xff)
	if f.After != "" {
		end = append(bytes.Clone(prefix), f.After...)
	}
	err = s.db.view(ctx, "list audit entries", func(t tx) error {
		c := t.Bucket(bucket).Cursor()
		k, _ := c.Seek(end)
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; k != nil && bytes.Compare(k, first) >= 0; k, _ = c.Prev() {
			if len(list) == f.Limit {
				more = true
				return nil
			}
			e, err := auditRecords.get(t, string(k[len(prefix):]))
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	return list, more, err
}

func (s *audit) DeleteBefore(ctx context.Context, before time.Time) error {
	end := []byte(store.AuditFilter{Since: before}.From())
	return s.db.updateInBatches(ctx, "delete old audit entries", func(t tx) (n int, err error) {
		for _, key := range firstKeys(t, bucketAudit, nil, end) {
			e, err := auditRecords.get(t, string(key))
			if err != nil {
				return n, err
			}
			if err := errors.Join(t.Bucket(bucketAuditOf).Delete(accountKey(e)), t.Bucket(bucketAudit).Delete(key)); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}
