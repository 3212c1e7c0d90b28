package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type invitations struct{ c collection }

var _ store.Invitations = (*invitations)(nil)

type invitationDoc struct {
	ID      string    `bson:"_id"`
	Rev     int64     `bson:"rev"`
	Hash    string    `bson:"hash"`
	Inviter string    `bson:"inviter"`
	Created time.Time `bson:"created"`
	Expires time.Time `bson:"expires"`
	UsedBy  string    `bson:"used_by"`
}

func newInvitationDoc(v sx.Invitation, rev int64) invitationDoc {
	return invitationDoc{
		ID: v.ID, Rev: rev, Hash: v.Hash, Inviter: v.Inviter, Created: v.Created, Expires: v.Expires, UsedBy: v.UsedBy,
	}
}

func (d invitationDoc) key() (string, int64) { return d.ID, d.Rev }

func (d invitationDoc) invitation() sx.Invitation {
	return sx.Invitation{
		ID: d.ID, Rev: d.Rev, Hash: d.Hash, Inviter: d.Inviter, Created: d.Created, Expires: d.Expires, UsedBy: d.UsedBy,
	}
}

func (s *invitations) records() records[invitationDoc] {
	return records[invitationDoc]{s.c, "invitation"}
}

func (s *invitations) Create(ctx context.Context, v sx.Invitation) error {
	return s.records().create(ctx, newInvitationDoc(v, 1))
}

func (s *invitations) ByID(ctx context.Context, id string) (sx.Invitation, error) {
	d, err := s.records().get(ctx, id)
	return d.invitation(), err
}

func (s *invitations) Replace(ctx context.Context, v sx.Invitation) error {
	return s.records().replaceAt(ctx, v.Rev, newInvitationDoc(v, v.Rev+1))
}

func (s *invitations) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }

func (s *invitations) DeleteOf(ctx context.Context, inviter string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "inviter", Value: inviter}})
}

func (s *invitations) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
