package store

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// IdempotencyKeys stores which job each key of an owner stands for.
type IdempotencyKeys interface {
	// Create stores a new key with Rev 1, and then removes the owner's keys beyond the
	// newest keep (by Expires). If keep is large, only some calls do so: see TrimDue. If
	// the owner has the key, it returns an *sx.Error of code conflict.
	Create(ctx context.Context, k sx.IdempotencyKey, keep int) error
	Get(ctx context.Context, owner, key string) (sx.IdempotencyKey, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, k sx.IdempotencyKey) error
	// Delete removes the key if its Rev is still that of k, and otherwise returns
	// ErrStale. It succeeds if there is none.
	Delete(ctx context.Context, k sx.IdempotencyKey) error
	// DeleteOf removes the owner's keys.
	DeleteOf(ctx context.Context, owner string) error
	// DeleteExpired removes the keys whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}
