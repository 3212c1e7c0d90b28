package localstore

import (
	"context"
	"iter"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// storedAtOnce is how many jobs one transaction of StoreAll stores.
const storedAtOnce = 2000

// StoreAll creates the jobs, or replaces those that exist, with few transactions, so
// that a benchmark can store a million.
func StoreAll(ctx context.Context, s store.Store, list iter.Seq[sx.Job]) error {
	db := s.Jobs.(*jobs).db
	next, stop := iter.Pull(list)
	defer stop()
	for more := true; more; {
		err := db.update(ctx, "store jobs", func(t tx) error {
			for range storedAtOnce {
				j, ok := next()
				if !ok {
					more = false
					return nil
				}
				if err := storeJob(t, j); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// StoreSessions and StoreInvitations create records with one transaction.
func StoreSessions(ctx context.Context, s store.Store, list []sx.Session) error {
	return s.Sessions.(*sessions).db.update(ctx, "store sessions", func(t tx) error {
		for _, v := range list {
			if err := sessionRecords.create(t, v.ID, v); err != nil {
				return err
			}
		}
		return nil
	})
}

func StoreInvitations(ctx context.Context, s store.Store, list []sx.Invitation) error {
	return s.Invitations.(*invitations).db.update(ctx, "store invitations", func(t tx) error {
		for _, v := range list {
			if err := invitationRecords.create(t, v.ID, v); err != nil {
				return err
			}
		}
		return nil
	})
}

func storeJob(t tx, j sx.Job) error {
	old, err := jobRecords.get(t, j.ID)
	switch sx.CodeOf(err) {
	case "":
		if err := jobRecords.put(t, j.ID, j); err != nil {
			return err
		}
		return change(t, &old, &j)
	case sx.CodeNotFound:
		if err := jobRecords.create(t, j.ID, j); err != nil {
			return err
		}
		return change(t, nil, &j)
	default:
		return err
	}
}
