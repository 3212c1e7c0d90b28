package localstore

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, more bool, err error) {
	err = s.db.view(ctx, "listing jobs", func(t tx) error {
		for id := range newestFirst(t, f.Owner, f.After) {
			if len(f.IDs) > 0 && !slices.Contains(f.IDs, id) {
				continue
			}
			j, err := jobRecords.get(t, id)
			if err != nil {
				return err
			}
			if !matches(j, f) {
				continue
			}
			if f.Limit > 0 && len(list) == f.Limit {
				more = true
				return nil
			}
			list = append(list, j)
		}
		return ctx.Err()
	})
	return list, more, err
}

// newestFirst gives the ids of the owner's jobs that are older than the cursor.
func newestFirst(t tx, owner string, after *store.JobCursor) iter.Seq[string] {
	prefix := ownerPrefix(owner)
	end := append(bytes.Clone(prefix[:len(prefix)-1]), 1) // the first key behind the prefix
	if after != nil {
		end = orderKey(prefix, after.Created, after.ID)
	}
	return func(yield func(string) bool) {
		c := t.Bucket(bucketOrder).Cursor()
		k, _ := c.Seek(end)
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			if !yield(string(k[idAt(prefix):])) {
				return
			}
		}
	}
}

func matches(j sx.Job, f store.JobFilter) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, j.State)) &&
		strings.Contains(strings.ToLower(j.Video.Name), strings.ToLower(f.Name))
}

func (s *jobs) Unsettled(ctx context.Context) (list []sx.Job, err error) {
	err = s.db.view(ctx, "listing unsettled jobs", func(t tx) error {
		c := t.Bucket(bucketUnsettled).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			j, err := jobRecords.get(t, string(k[idAt(nil):]))
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return nil
	})
	return list, err
}

func (s *jobs) Usage(ctx context.Context, owner string) (total int64, err error) {
	err = s.db.view(ctx, "adding up an owner's bytes", func(t tx) error {
		for id := range newestFirst(t, owner, nil) {
			j, err := jobRecords.get(t, id)
			if err != nil {
				return err
			}
			total += store.StoredBytes(j)
		}
		return nil
	})
	return total, err
}
