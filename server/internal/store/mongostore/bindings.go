package mongostore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type bindings struct{ c collection }

var _ store.Bindings = (*bindings)(nil)

type bindingDoc struct {
	ID      string `bson:"_id"`
	Rev     int64  `bson:"rev"`
	Issuer  string `bson:"issuer"`
	Subject string `bson:"subject"`
	UserID  string `bson:"user"`
}

func newBindingDoc(v sx.Binding, rev int64) bindingDoc {
	return bindingDoc{ID: v.ID, Rev: rev, Issuer: v.Issuer, Subject: v.Subject, UserID: v.UserID}
}

func (d bindingDoc) key() (string, int64) { return d.ID, d.Rev }

func (d bindingDoc) binding() sx.Binding {
	return sx.Binding{ID: d.ID, Rev: d.Rev, Issuer: d.Issuer, Subject: d.Subject, UserID: d.UserID}
}

func (s *bindings) records() records[bindingDoc] { return records[bindingDoc]{s.c, "binding"} }

func (s *bindings) Create(ctx context.Context, v sx.Binding) error {
	return s.records().create(ctx, newBindingDoc(v, 1))
}

func (s *bindings) ByID(ctx context.Context, id string) (sx.Binding, error) {
	d, err := s.records().get(ctx, id)
	return d.binding(), err
}

func (s *bindings) Replace(ctx context.Context, v sx.Binding) error {
	return s.records().replaceAt(ctx, v.Rev, newBindingDoc(v, v.Rev+1))
}

func (s *bindings) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }
