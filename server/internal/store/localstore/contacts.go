package localstore

import (
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type contacts struct {
	db *database
}

var _ store.Contacts = (*contacts)(nil)

var contactTable = table[sx.Contact]{
	bucket: bucketContacts, kind: "contact", hint: "show where you are told with: sx notify",
	rev: func(v *sx.Contact) *int64 { return &v.Rev },
}

func (s *contacts) Get(ctx context.Context, userID string) (v sx.Contact, err error) {
	err = s.db.view(ctx, "reading a contact", func(t tx) error {
		v, err = contactOf(t, userID)
		return err
	})
	return v, err
}

// contactOf gives an empty contact to a user who has none.
func contactOf(t tx, userID string) (sx.Contact, error) {
	v, err := contactTable.get(t, userID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.Contact{UserID: userID}, nil
	}
	return v, err
}

func (s *contacts) Replace(ctx context.Context, v sx.Contact) error {
	return s.db.update(ctx, "changing a contact", func(t tx) error {
		old, err := contactOf(t, v.UserID)
		if err != nil {
			return err
		}
		if old.Rev != v.Rev {
			return store.ErrStale
		}
		return contactTable.replace(t, v.UserID, v)
	})
}
