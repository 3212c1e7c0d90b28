package mongostore

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type notificationSettings struct{ c collection }

var _ store.NotificationSettings = (*notificationSettings)(nil)

type notificationSettingsDoc struct {
	ID       string       `bson:"_id"` // the user's
	Rev      int64        `bson:"rev"`
	Email    string       `bson:"email"`
	Pending  *pendingDoc  `bson:"pending,omitempty"`
	Webhooks []webhookDoc `bson:"webhooks"`
}

type pendingDoc struct {
	Address string    `bson:"address"`
	Hash    string    `bson:"hash"`
	Tries   int       `bson:"tries"`
	Expires time.Time `bson:"expires"`
}

type webhookDoc struct {
	ID       string    `bson:"id"`
	URL      string    `bson:"url"`
	Secret   []byte    `bson:"secret"`
	Created  time.Time `bson:"created"`
	Disabled time.Time `bson:"disabled"`
}

func newNotificationSettingsDoc(v sx.NotificationSettings, rev int64) notificationSettingsDoc {
	d := notificationSettingsDoc{ID: v.UserID, Rev: rev, Email: v.Email, Webhooks: []webhookDoc{}}
	if v.Pending != nil {
		p := pendingDoc(*v.Pending)
		d.Pending = &p
	}
	for _, w := range v.Webhooks {
		d.Webhooks = append(d.Webhooks, webhookDoc(w))
	}
	return d
}

func (d notificationSettingsDoc) key() (string, int64) { return d.ID, d.Rev }

func (d notificationSettingsDoc) settings() sx.NotificationSettings {
	v := sx.NotificationSettings{UserID: d.ID, Rev: d.Rev, Email: d.Email}
	if d.Pending != nil {
		p := sx.PendingEmail(*d.Pending)
		v.Pending = &p
	}
	for _, w := range d.Webhooks {
		v.Webhooks = append(v.Webhooks, sx.Webhook(w))
	}
	return v
}

func (s *notificationSettings) Get(ctx context.Context, userID string) (sx.NotificationSettings, error) {
	d, err := get[notificationSettingsDoc](ctx, s.c, userID)
	if errors.Is(err, errNotFound) {
		return sx.NotificationSettings{UserID: userID}, nil
	}
	return d.settings(), err
}

func (s *notificationSettings) Replace(ctx context.Context, v sx.NotificationSettings) error {
	return s.c.replaceOrCreate(ctx, v.UserID, v.Rev, newNotificationSettingsDoc(v, v.Rev+1))
}

func (s *notificationSettings) Delete(ctx context.Context, userID string) error {
	return s.c.deleteID(ctx, userID)
}
