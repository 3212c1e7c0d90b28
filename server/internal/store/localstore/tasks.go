package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type tasks struct {
	db *database
}

var _ store.Tasks = (*tasks)(nil)

var taskRecords = records[store.Task]{
	bucket: bucketTasks, kind: "task",
	rev: func(v *store.Task) *int64 { return &v.Rev },
}

func (s *tasks) Get(ctx context.Context, name string) (v store.Task, err error) {
	err = s.db.view(ctx, "read task", func(t tx) error {
		v, err = task(t, name)
		return err
	})
	return v, err
}

// task returns an empty state for a task that has none.
func task(t tx, name string) (store.Task, error) {
	v, err := taskRecords.get(t, name)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return store.Task{Name: name}, nil
	}
	return v, err
}

func (s *tasks) Replace(ctx context.Context, v store.Task) error {
	return s.db.update(ctx, "change task", func(t tx) error {
		old, err := task(t, v.Name)
		if err != nil {
			return err
		}
		if old.Rev != v.Rev {
			return store.ErrStale
		}
		return taskRecords.replace(t, v.Name, v)
	})
}
