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

type personalTokens struct{ c collection }

var _ store.PersonalTokens = (*personalTokens)(nil)

type tokenDoc struct {
	ID      string    `bson:"_id"`
	UserID  string    `bson:"user"`
	Name    string    `bson:"name"`
	Hash    string    `bson:"hash"`
	Created time.Time `bson:"created"`
	Expires time.Time `bson:"expires"`
}

func (s *personalTokens) Create(ctx context.Context, v sx.PersonalToken) error {
	err := s.c.insert(ctx, tokenDoc(v))
	if !errors.Is(err, errExists) {
		return err
	}
	_, err = get[tokenDoc](ctx, s.c, v.ID)
	switch {
	case err == nil:
		return sx.NewError(sx.CodeConflict, "token %s already exists", v.ID)
	case errors.Is(err, errNotFound):
		return sx.NewError(sx.CodeConflict, "a token named %s already exists", v.Name).
			WithHint("choose another name, or revoke that token first")
	default:
		return err
	}
}

func (s *personalTokens) ByID(ctx context.Context, id string) (sx.PersonalToken, error) {
	d, err := get[tokenDoc](ctx, s.c, id)
	if errors.Is(err, errNotFound) {
		err = sx.NewError(sx.CodeNotFound, "token %s not found", id)
	}
	return sx.PersonalToken(d), err
}

func (s *personalTokens) List(ctx context.Context, userID string) ([]sx.PersonalToken, error) {
	ds, err := list[tokenDoc](ctx, s.c, bson.D{{Key: "user", Value: userID}},
		options.Find().SetSort(bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}))
	var all []sx.PersonalToken
	for _, d := range ds {
		all = append(all, sx.PersonalToken(d))
	}
	return all, err
}

func (s *personalTokens) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }

func (s *personalTokens) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.c.deleteExpired(ctx, now)
}
