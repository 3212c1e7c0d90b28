package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// dump returns records in the order of their keys.
type dump struct {
	db     *database
	videos *videos
}

var _ store.Dump = (*dump)(nil)

func dumpOf[T any](ctx context.Context, d *dump, r records[T], after string, limit int) (list []T, next string, err error) {
	err = d.db.view(ctx, "list "+string(r.bucket), func(t tx) error {
		last := after
		c := t.Bucket(r.bucket).Cursor()
		for k, _ := c.Seek([]byte(after + "\x00")); k != nil; k, _ = c.Next() {
			if len(list) == limit {
				next = last
				return nil
			}
			v, err := r.get(t, string(k))
			if err != nil {
				return err
			}
			list, last = append(list, v), string(k)
		}
		return nil
	})
	return list, next, err
}

func (d *dump) Sessions(ctx context.Context, after string, limit int) ([]sx.Session, string, error) {
	return dumpOf(ctx, d, sessionRecords, after, limit)
}

func (d *dump) Invitations(ctx context.Context, after string, limit int) ([]sx.Invitation, string, error) {
	return dumpOf(ctx, d, invitationRecords, after, limit)
}

func (d *dump) Bindings(ctx context.Context, after string, limit int) ([]sx.Binding, string, error) {
	return dumpOf(ctx, d, bindingRecords, after, limit)
}

func (d *dump) PersonalTokens(ctx context.Context, after string, limit int) ([]sx.PersonalToken, string, error) {
	return dumpOf(ctx, d, tokenRecords, after, limit)
}

func (d *dump) NotificationSettings(ctx context.Context, after string, limit int) ([]sx.NotificationSettings, string, error) {
	return dumpOf(ctx, d, notificationSettingsRecords, after, limit)
}

func (d *dump) Limits(ctx context.Context, after string, limit int) ([]sx.Limits, string, error) {
	return dumpOf(ctx, d, limitsRecords, after, limit)
}

func (d *dump) Erasures(ctx context.Context, after string, limit int) ([]sx.Erasure, string, error) {
	return dumpOf(ctx, d, erasureRecords, after, limit)
}

func (d *dump) Conversions(ctx context.Context, after string, limit int) ([]sx.Conversion, string, error) {
	return dumpOf(ctx, d, conversionRecords, after, limit)
}

func (d *dump) Feeds(ctx context.Context, after string, limit int) ([]sx.Feeds, string, error) {
	return dumpOf(ctx, d, feedRecords, after, limit)
}

func (d *dump) Deliveries(ctx context.Context, after string, limit int) ([]sx.Delivery, string, error) {
	return dumpOf(ctx, d, deliveryRecords, after, limit)
}

func (d *dump) Upload(ctx context.Context, id string) (store.Upload, store.Blob, error) {
	up, err := d.videos.Stat(ctx, id)
	if err != nil {
		return up, nil, err
	}
	b, err := openBlob(ctx, d.videos.path(id))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return up, nil, sx.NewError(sx.CodeNotFound, "upload %s not found", id)
	case err != nil:
		return up, nil, fmt.Errorf("open upload %s: %w", id, err)
	case b.Size() < up.Offset:
		return up, nil, errors.Join(fmt.Errorf("upload %s has %d of %d bytes on disk", id, b.Size(), up.Offset), b.Close())
	}
	b.cut(up.Offset)
	return up, b, nil
}
