package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// dump returns documents in the order of their _ids.
type dump struct{ s *collections }

var _ store.Dump = (*dump)(nil)

// dumpOf returns a page of a collection. record and id return the record of a document
// and its _id.
func dumpOf[D, T any](ctx context.Context, c collection, after string, limit int, record func(D) T, id func(D) string) (all []T, next string, err error) {
	ds, err := list[D](ctx, c, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	for _, d := range ds {
		all = append(all, record(d))
	}
	if len(ds) == limit {
		next = id(ds[limit-1])
	}
	return all, next, err
}

func (d *dump) Sessions(ctx context.Context, after string, limit int) ([]sx.Session, string, error) {
	return dumpOf(ctx, d.s.sessions, after, limit, sessionDoc.session, func(d sessionDoc) string { return d.ID })
}

func (d *dump) Invitations(ctx context.Context, after string, limit int) ([]sx.Invitation, string, error) {
	return dumpOf(ctx, d.s.invitations, after, limit, invitationDoc.invitation, func(d invitationDoc) string { return d.ID })
}

func (d *dump) Bindings(ctx context.Context, after string, limit int) ([]sx.Binding, string, error) {
	return dumpOf(ctx, d.s.bindings, after, limit, bindingDoc.binding, func(d bindingDoc) string { return d.ID })
}

func (d *dump) PersonalTokens(ctx context.Context, after string, limit int) ([]sx.PersonalToken, string, error) {
	return dumpOf(ctx, d.s.tokens, after, limit,
		func(d tokenDoc) sx.PersonalToken { return sx.PersonalToken(d) }, func(d tokenDoc) string { return d.ID })
}

func (d *dump) NotificationSettings(ctx context.Context, after string, limit int) ([]sx.NotificationSettings, string, error) {
	return dumpOf(ctx, d.s.notificationSettings, after, limit,
		notificationSettingsDoc.settings, func(d notificationSettingsDoc) string { return d.ID })
}

func (d *dump) Limits(ctx context.Context, after string, limit int) ([]sx.Limits, string, error) {
	return dumpOf(ctx, d.s.limits, after, limit, limitsDoc.limits, func(d limitsDoc) string { return d.ID })
}

func (d *dump) Erasures(ctx context.Context, after string, limit int) ([]sx.Erasure, string, error) {
	return dumpOf(ctx, d.s.erasures, after, limit, erasureDoc.erasure, func(d erasureDoc) string { return d.ID })
}

func (d *dump) Conversions(ctx context.Context, after string, limit int) ([]sx.Conversion, string, error) {
	return dumpOf(ctx, d.s.conversions, after, limit, conversionDoc.conversion, func(d conversionDoc) string { return d.ID })
}

func (d *dump) Feeds(ctx context.Context, after string, limit int) ([]sx.Feeds, string, error) {
	return dumpOf(ctx, d.s.feeds, after, limit, feedsDoc.feeds, func(d feedsDoc) string { return d.ID })
}

func (d *dump) Deliveries(ctx context.Context, after string, limit int) ([]sx.Delivery, string, error) {
	return dumpOf(ctx, d.s.deliveries, after, limit, deliveryDoc.delivery, func(d deliveryDoc) string { return d.ID })
}

func (d *dump) Upload(ctx context.Context, id string) (store.Upload, store.Blob, error) {
	v := &videos{uploads: d.s.uploads, bucket: d.s.videos}
	u, err := v.load(ctx, id)
	if err != nil {
		return store.Upload{}, nil, err
	}
	size := u.Offset
	if !u.hasAllBytes() {
		size -= int64(len(u.Tail))
	}
	b := newBlob(ctx, v.bucket, id, size, u.ChunkSize, u.epoch)
	if !u.hasAllBytes() {
		b.tail = u.Tail
	}
	return u.upload(), b, nil
}
