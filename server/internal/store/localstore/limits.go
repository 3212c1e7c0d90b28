package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type limits struct {
	db *database
}

var _ store.Limits = (*limits)(nil)

var limitsRecords = records[sx.Limits]{
	bucket: bucketLimits, kind: "limits",
	rev: func(v *sx.Limits) *int64 { return &v.Rev },
}

func (s *limits) Get(ctx context.Context, owner string) (v sx.Limits, err error) {
	err = s.db.view(ctx, "read limits", func(t tx) error {
		v, err = limitsOf(t, owner)
		return err
	})
	return v, err
}

func (s *limits) Of(ctx context.Context, owners []string) (found []sx.Limits, err error) {
	err = s.db.view(ctx, "read limits", func(t tx) error {
		found = nil
		for _, owner := range owners {
			v, err := limitsOf(t, owner)
			if err != nil {
				return err
			}
			if v.Rev > 0 {
				found = append(found, v)
			}
		}
		return nil
	})
	return found, err
}

// limitsOf returns empty limits for an owner who has none.
func limitsOf(t tx, owner string) (sx.Limits, error) {
	v, err := limitsRecords.get(t, owner)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.Limits{Owner: owner}, nil
	}
	return v, err
}

func (s *limits) Replace(ctx context.Context, v sx.Limits) error {
	return s.db.update(ctx, "change limits", func(t tx) error {
		old, err := limitsOf(t, v.Owner)
		if err != nil {
			return err
		}
		if old.Rev != v.Rev {
			return store.ErrStale
		}
		return limitsRecords.replace(t, v.Owner, v)
	})
}

func (s *limits) Delete(ctx context.Context, owner string) error {
	return s.db.update(ctx, "delete limits", func(t tx) error {
		return t.Bucket(bucketLimits).Delete([]byte(owner))
	})
}
