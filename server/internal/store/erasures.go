package store

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Erasures stores the deletions of accounts that are not finished.
type Erasures interface {
	// Create stores a new erasure with Rev 1. If the user has one, it returns an
	// *sx.Error of code conflict.
	Create(ctx context.Context, e sx.Erasure) error
	// Get returns the erasure of the user.
	Get(ctx context.Context, userID string) (sx.Erasure, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, e sx.Erasure) error
	// Delete removes the user's erasure. It succeeds if there is none.
	Delete(ctx context.Context, userID string) error
	// Due returns at most limit erasures whose step is the given one and due at now,
	// ordered by Due, then the user's ID.
	Due(ctx context.Context, step sx.ErasureStep, now time.Time, limit int) ([]sx.Erasure, error)
}
