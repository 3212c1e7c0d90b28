package localstore

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type invitations struct {
	db *database
}

var _ store.Invitations = (*invitations)(nil)

var invitationRecords = records[sx.Invitation]{
	bucket: bucketInvites, kind: "invitation",
	rev:    func(v *sx.Invitation) *int64 { return &v.Rev },
	expiry: bucketInviteExpiry, expires: func(v sx.Invitation) time.Time { return v.Expires },
}

func (s *invitations) Create(ctx context.Context, v sx.Invitation) error {
	return s.db.update(ctx, "store invitation", func(t tx) error {
		return invitationRecords.create(t, v.ID, v)
	})
}

func (s *invitations) ByID(ctx context.Context, id string) (v sx.Invitation, err error) {
	err = s.db.view(ctx, "read invitation", func(t tx) error {
		v, err = invitationRecords.get(t, id)
		return err
	})
	return v, err
}

func (s *invitations) Replace(ctx context.Context, v sx.Invitation) error {
	return s.db.update(ctx, "change invitation", func(t tx) error {
		return invitationRecords.replaceCurrent(t, v.ID, v)
	})
}

func (s *invitations) Delete(ctx context.Context, id string) error {
	return s.db.update(ctx, "delete invitation", func(t tx) error {
		return invitationRecords.delete(t, id)
	})
}

func (s *invitations) DeleteOf(ctx context.Context, inviter string) error {
	return invitationRecords.deleteMatching(ctx, s.db, "delete the invitations of a user", func(v sx.Invitation) bool { return v.Inviter == inviter })
}

func (s *invitations) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.db.updateInBatches(ctx, "delete expired invitations", func(t tx) (int, error) {
		return invitationRecords.deleteExpired(t, now)
	})
}
