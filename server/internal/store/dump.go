package store

import (
	"context"

	"github.com/soundextract/sx/server/sx"
)

// Dump reads, for a backup, what the other interfaces return only by ID or not at all.
// Each method but Upload returns at most limit records, in an order of the store's own,
// which does not change while the records do not. after is "" or what an earlier call
// returned as next; next is "" after the last one. A record that exists during the whole
// pass is returned once.
type Dump interface {
	Sessions(ctx context.Context, after string, limit int) (list []sx.Session, next string, err error)
	Invitations(ctx context.Context, after string, limit int) (list []sx.Invitation, next string, err error)
	Bindings(ctx context.Context, after string, limit int) (list []sx.Binding, next string, err error)
	PersonalTokens(ctx context.Context, after string, limit int) (list []sx.PersonalToken, next string, err error)
	NotificationSettings(ctx context.Context, after string, limit int) (list []sx.NotificationSettings, next string, err error)
	Limits(ctx context.Context, after string, limit int) (list []sx.Limits, next string, err error)
	Erasures(ctx context.Context, after string, limit int) (list []sx.Erasure, next string, err error)
	Conversions(ctx context.Context, after string, limit int) (list []sx.Conversion, next string, err error)
	Feeds(ctx context.Context, after string, limit int) (list []sx.Feeds, next string, err error)
	Deliveries(ctx context.Context, after string, limit int) (list []sx.Delivery, next string, err error)
	// Upload opens the bytes of an upload that are durably stored, whether it is complete or
	// not: the Blob has Offset bytes, which no Append changes.
	Upload(ctx context.Context, id string) (Upload, Blob, error)
}
