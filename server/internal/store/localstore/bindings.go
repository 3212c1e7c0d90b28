package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type bindings struct {
	db *database
}

var _ store.Bindings = (*bindings)(nil)

var bindingRecords = records[sx.Binding]{
	bucket: bucketBindings, kind: "binding", rev: func(v *sx.Binding) *int64 { return &v.Rev },
}

func (s *bindings) Create(ctx context.Context, v sx.Binding) error {
	return s.db.update(ctx, "store binding", func(t tx) error { return bindingRecords.create(t, v.ID, v) })
}

func (s *bindings) ByID(ctx context.Context, id string) (v sx.Binding, err error) {
	err = s.db.view(ctx, "read binding", func(t tx) error {
		v, err = bindingRecords.get(t, id)
		return err
	})
	return v, err
}

func (s *bindings) Replace(ctx context.Context, v sx.Binding) error {
	return s.db.update(ctx, "change binding", func(t tx) error { return bindingRecords.replaceCurrent(t, v.ID, v) })
}

func (s *bindings) Delete(ctx context.Context, id string) error {
	return s.db.updateAlways(ctx, "delete binding", func(t tx) error { return bindingRecords.delete(t, id) })
}
