package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type feeds struct {
	db *database
}

var _ store.Feeds = (*feeds)(nil)

var feedRecords = records[sx.Feeds]{
	bucket: bucketFeeds, kind: "feeds of", rev: func(v *sx.Feeds) *int64 { return &v.Rev },
}

func (s *feeds) Get(ctx context.Context, owner string) (v sx.Feeds, err error) {
	err = s.db.view(ctx, "read feeds", func(t tx) error {
		v, err = feedsOf(t, owner)
		return err
	})
	return v, err
}

// feedsOf returns no feeds for a user who has never had one.
func feedsOf(t tx, owner string) (sx.Feeds, error) {
	v, err := feedRecords.get(t, owner)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.Feeds{Owner: owner}, nil
	}
	return v, err
}

func (s *feeds) Replace(ctx context.Context, v sx.Feeds) error {
	return s.db.update(ctx, "change feeds", func(t tx) error {
		old, err := feedsOf(t, v.Owner)
		if err != nil {
			return err
		}
		if old.Rev != v.Rev {
			return store.ErrStale
		}
		return feedRecords.replace(t, v.Owner, v)
	})
}

func (s *feeds) Delete(ctx context.Context, owner string) error {
	return s.db.updateAlways(ctx, "delete feeds", func(t tx) error { return feedRecords.delete(t, owner) })
}
