package store

import (
	"context"

	"github.com/soundextract/sx/server/sx"
)

// Limits stores the limits of accounts that have their own, and those of the server.
type Limits interface {
	// Get returns the owner's limits: empty ones with Rev 0 for one who has none.
	Get(ctx context.Context, owner string) (sx.Limits, error)
	// Of returns the limits of those of the owners who have some, in any order.
	Of(ctx context.Context, owners []string) ([]sx.Limits, error)
	// Replace is the compare-and-set of the package comment. Limits with Rev 0 are
	// stored with Rev 1 if the owner has none yet.
	Replace(ctx context.Context, v sx.Limits) error
	// Delete removes the owner's limits. It succeeds if there are none.
	Delete(ctx context.Context, owner string) error
}
