package mongostore

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type contacts struct{ c collection }

var _ store.Contacts = (*contacts)(nil)

type contactDoc struct {
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

func newContactDoc(v sx.Contact, rev int64) contactDoc {
	d := contactDoc{ID: v.UserID, Rev: rev, Email: v.Email, Webhooks: []webhookDoc{}}
	if v.Pending != nil {
		p := pendingDoc(*v.Pending)
		d.Pending = &p
	}
	for _, w := range v.Webhooks {
		d.Webhooks = append(d.Webhooks, webhookDoc(w))
	}
	return d
}

func (d contactDoc) key() (string, int64) { return d.ID, d.Rev }

func (d contactDoc) contact() sx.Contact {
	v := sx.Contact{UserID: d.ID, Rev: d.Rev, Email: d.Email}
	if d.Pending != nil {
		p := sx.PendingEmail(*d.Pending)
		v.Pending = &p
	}
	for _, w := range d.Webhooks {
		v.Webhooks = append(v.Webhooks, sx.Webhook(w))
	}
	return v
}

func (s *contacts) Get(ctx context.Context, userID string) (sx.Contact, error) {
	d, err := get[contactDoc](ctx, s.c, userID)
	if errors.Is(err, errAbsent) {
		return sx.Contact{UserID: userID}, nil
	}
	return d.contact(), err
}

func (s *contacts) Replace(ctx context.Context, v sx.Contact) error {
	d := newContactDoc(v, v.Rev+1)
	if v.Rev == 0 {
		err := s.c.insert(ctx, d)
		if errors.Is(err, errExists) {
			return store.ErrStale
		}
		return err
	}
	matched, err := s.c.replace(ctx, at(v.UserID, v.Rev), d)
	if err == nil && !matched {
		return store.ErrStale
	}
	return err
}
