package store

import (
	"context"

	"github.com/soundextract/sx/server/sx"
)

// Feeds stores the podcast feeds of users.
type Feeds interface {
	// Get returns the user's feeds: none, with Rev 0, for a user who has never had one.
	Get(ctx context.Context, owner string) (sx.Feeds, error)
	// Replace is the compare-and-set of the package comment. Feeds with Rev 0 are stored
	// with Rev 1 if the user has none yet.
	Replace(ctx context.Context, v sx.Feeds) error
	// Delete removes the user's feeds. It succeeds if there are none.
	Delete(ctx context.Context, owner string) error
}
