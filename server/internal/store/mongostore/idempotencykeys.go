package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type idempotencyKeys struct{ c collection }

var _ store.IdempotencyKeys = (*idempotencyKeys)(nil)

// keyDoc is a key. Its _id is that of keyID.
type keyDoc struct {
	ID      string    `bson:"_id"`
	Rev     int64     `bson:"rev"`
	Owner   string    `bson:"owner"`
	Key     string    `bson:"key"`
	Request string    `bson:"request"`
	JobID   string    `bson:"job"`
	Done    bool      `bson:"done"`
	Expires time.Time `bson:"expires"`
}

// keyID is unambiguous, because an owner's ID contains no slash.
func keyID(owner, key string) string { return owner + "/" + key }

func newKeyDoc(k sx.IdempotencyKey, rev int64) keyDoc {
	return keyDoc{
		ID: keyID(k.Owner, k.Key), Rev: rev, Owner: k.Owner, Key: k.Key, Request: k.Request, JobID: k.JobID, Done: k.Done,
		Expires: k.Expires,
	}
}

func (d keyDoc) key() (string, int64) { return d.ID, d.Rev }

func (d keyDoc) idempotencyKey() sx.IdempotencyKey {
	return sx.IdempotencyKey{
		Owner: d.Owner, Key: d.Key, Rev: d.Rev, Request: d.Request, JobID: d.JobID, Done: d.Done, Expires: d.Expires,
	}
}

func (s *idempotencyKeys) records() records[keyDoc] {
	return records[keyDoc]{s.c, "idempotency key"}
}

func (s *idempotencyKeys) Create(ctx context.Context, k sx.IdempotencyKey, keep int) error {
	if err := s.records().create(ctx, newKeyDoc(k, 1)); err != nil {
		return err
	}
	return s.trim(ctx, k.Owner, keep)
}

// trim removes the owner's keys beyond the newest keep, when it is due. It reads only
// the index.
func (s *idempotencyKeys) trim(ctx context.Context, owner string, keep int) error {
	if !store.TrimDue(keep, 1) {
		return nil
	}
	oldest, err := list[struct {
		ID string `bson:"_id"`
	}](ctx, s.c, bson.D{{Key: "owner", Value: owner}}, options.Find().
		SetSort(bson.D{{Key: "expires", Value: -1}, {Key: "_id", Value: -1}}).SetSkip(int64(keep)).
		SetProjection(bson.D{{Key: "_id", Value: 1}}))
	for _, d := range oldest {
		err = errors.Join(err, s.c.deleteID(ctx, d.ID))
	}
	return err
}

func (s *idempotencyKeys) Get(ctx context.Context, owner, key string) (sx.IdempotencyKey, error) {
	d, err := s.records().get(ctx, keyID(owner, key))
	return d.idempotencyKey(), err
}

func (s *idempotencyKeys) Replace(ctx context.Context, k sx.IdempotencyKey) error {
	return s.records().replaceAt(ctx, k.Rev, newKeyDoc(k, k.Rev+1))
}

func (s *idempotencyKeys) Delete(ctx context.Context, k sx.IdempotencyKey) error {
	return s.records().deleteAt(ctx, keyID(k.Owner, k.Key), k.Rev)
}

func (s *idempotencyKeys) DeleteOf(ctx context.Context, owner string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "owner", Value: owner}})
}

func (s *idempotencyKeys) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
