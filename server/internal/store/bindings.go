package store

import (
	"context"

	"github.com/soundextract/sx/server/sx"
)

// Bindings stores which accounts are bound to subjects of an OpenID provider.
type Bindings interface {
	// Create stores a new binding with Rev 1. If the ID exists, it returns an *sx.Error of
	// code conflict.
	Create(ctx context.Context, v sx.Binding) error
	ByID(ctx context.Context, id string) (sx.Binding, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, v sx.Binding) error
	// Delete removes the binding. It succeeds if there is none.
	Delete(ctx context.Context, id string) error
}
