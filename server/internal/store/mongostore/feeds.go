package mongostore

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type feeds struct{ c collection }

var _ store.Feeds = (*feeds)(nil)

// feedsDoc has all feeds of a user, which are few and read together.
type feedsDoc struct {
	ID   string    `bson:"_id"` // the user's
	Rev  int64     `bson:"rev"`
	List []feedDoc `bson:"list"`
}

type feedDoc struct {
	ID      string    `bson:"id"`
	Name    string    `bson:"name"`
	Label   string    `bson:"label"`
	Folder  string    `bson:"folder"`
	Server  string    `bson:"server"`
	Hash    string    `bson:"hash"`
	Created time.Time `bson:"created"`
}

func newFeedsDoc(v sx.Feeds, rev int64) feedsDoc {
	d := feedsDoc{ID: v.Owner, Rev: rev, List: []feedDoc{}}
	for _, f := range v.List {
		d.List = append(d.List, feedDoc(f))
	}
	return d
}

func (d feedsDoc) feeds() sx.Feeds {
	v := sx.Feeds{Owner: d.ID, Rev: d.Rev}
	for _, f := range d.List {
		v.List = append(v.List, sx.Feed(f))
	}
	return v
}

func (s *feeds) Get(ctx context.Context, owner string) (sx.Feeds, error) {
	d, err := get[feedsDoc](ctx, s.c, owner)
	if errors.Is(err, errNotFound) {
		return sx.Feeds{Owner: owner}, nil
	}
	return d.feeds(), err
}

func (s *feeds) Replace(ctx context.Context, v sx.Feeds) error {
	return s.c.replaceOrCreate(ctx, v.Owner, v.Rev, newFeedsDoc(v, v.Rev+1))
}

func (s *feeds) Delete(ctx context.Context, owner string) error { return s.c.deleteID(ctx, owner) }
