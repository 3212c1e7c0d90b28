package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type notificationSettings struct {
	db *database
}

var _ store.NotificationSettings = (*notificationSettings)(nil)

var notificationSettingsRecords = records[sx.NotificationSettings]{
	bucket: bucketNotificationSettings, kind: "notification settings",
	rev: func(v *sx.NotificationSettings) *int64 { return &v.Rev },
}

func (s *notificationSettings) Get(ctx context.Context, userID string) (v sx.NotificationSettings, err error) {
	err = s.db.view(ctx, "read notification settings", func(t tx) error {
		v, err = notificationSettingsOf(t, userID)
		return err
	})
	return v, err
}

// notificationSettingsOf returns empty settings for a user who has none.
func notificationSettingsOf(t tx, userID string) (sx.NotificationSettings, error) {
	v, err := notificationSettingsRecords.get(t, userID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.NotificationSettings{UserID: userID}, nil
	}
	return v, err
}

func (s *notificationSettings) Replace(ctx context.Context, v sx.NotificationSettings) error {
	return s.db.update(ctx, "change notification settings", func(t tx) error {
		old, err := notificationSettingsOf(t, v.UserID)
		if err != nil {
			return err
		}
		if old.Rev != v.Rev {
			return store.ErrStale
		}
		return notificationSettingsRecords.replace(t, v.UserID, v)
	})
}

func (s *notificationSettings) Delete(ctx context.Context, userID string) error {
	return s.db.update(ctx, "delete notification settings", func(t tx) error {
		return t.Bucket(bucketNotificationSettings).Delete([]byte(userID))
	})
}
