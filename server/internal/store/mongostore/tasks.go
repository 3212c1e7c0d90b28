package mongostore

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
)

type tasks struct{ c collection }

var _ store.Tasks = (*tasks)(nil)

type taskDoc struct {
	ID     string    `bson:"_id"` // the name
	Rev    int64     `bson:"rev"`
	Holder string    `bson:"holder"`
	Until  time.Time `bson:"until"`
	Cursor string    `bson:"cursor"`
	Next   time.Time `bson:"next"`
}

func newTaskDoc(v store.Task, rev int64) taskDoc {
	return taskDoc{ID: v.Name, Rev: rev, Holder: v.Holder, Until: v.Until, Cursor: v.Cursor, Next: v.Next}
}

func (d taskDoc) task() store.Task {
	return store.Task{Name: d.ID, Rev: d.Rev, Holder: d.Holder, Until: d.Until, Cursor: d.Cursor, Next: d.Next}
}

func (s *tasks) Get(ctx context.Context, name string) (store.Task, error) {
	d, err := get[taskDoc](ctx, s.c, name)
	if errors.Is(err, errNotFound) {
		return store.Task{Name: name}, nil
	}
	return d.task(), err
}

func (s *tasks) Replace(ctx context.Context, v store.Task) error {
	return s.c.replaceOrCreate(ctx, v.Name, v.Rev, newTaskDoc(v, v.Rev+1))
}
