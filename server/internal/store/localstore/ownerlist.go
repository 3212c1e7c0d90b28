package localstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Owners reads the totals of all owners, of which a local server has few, but keeps only
// those that it returns.
func (s *jobs) Owners(ctx context.Context, after *store.OwnerUsage, now time.Time, limit int) (list []store.OwnerUsage, more bool, err error) {
	err = s.db.view(ctx, "list usage", func(t tx) error {
		return t.Bucket(bucketOwners).ForEach(func(k, data []byte) error {
			var r ownerRecord
			if err := json.Unmarshal(data, &r); err != nil {
				return fmt.Errorf("decode the totals of an owner: %w", err)
			}
			u := store.OwnerUsage{Owner: string(bytes.TrimSuffix(k, []byte{0})), Usage: r.usage(now)}
			if after != nil && compareUsage(u, *after) <= 0 {
				return nil
			}
			if i, _ := slices.BinarySearchFunc(list, u, compareUsage); i <= limit {
				list = slices.Insert(list, i, u)
			}
			if len(list) > limit+1 {
				list = list[:limit+1]
			}
			return nil
		})
	})
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, err
}

// compareUsage is the order of Owners.
func compareUsage(a, b store.OwnerUsage) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Owner, b.Owner))
}

// usage returns the totals, with those of now's day.
func (r ownerRecord) usage(now time.Time) sx.Usage {
	u := sx.Usage{Bytes: r.Bytes, Uploads: r.Uploads, Jobs: r.Jobs}
	if r.Day == store.Day(now) {
		u.Today = r.Today
	}
	return u
}
