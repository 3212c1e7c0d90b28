package localstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type personalTokens struct {
	db *database
}

var _ store.PersonalTokens = (*personalTokens)(nil)

var tokenRecords = records[sx.PersonalToken]{
	bucket: bucketTokens, kind: "token",
	expiry: bucketTokenExpiry, expires: func(v sx.PersonalToken) time.Time { return v.Expires },
}

// tokenKey is the key of the index by user and name.
func tokenKey(userID, name string) []byte { return []byte(userID + "\x00" + name) }

func (s *personalTokens) Create(ctx context.Context, v sx.PersonalToken) error {
	return s.db.update(ctx, "store token", func(t tx) error {
		keys, key := t.Bucket(bucketTokenKeys), tokenKey(v.UserID, v.Name)
		if keys.Get(key) != nil {
			return sx.NewError(sx.CodeConflict, "a token named %s already exists", v.Name).
				WithHint("choose another name, or revoke that token first")
		}
		if err := tokenRecords.create(t, v.ID, v); err != nil {
			return err
		}
		return keys.Put(key, []byte(v.ID))
	})
}

func (s *personalTokens) ByID(ctx context.Context, id string) (v sx.PersonalToken, err error) {
	err = s.db.view(ctx, "read token", func(t tx) error {
		v, err = tokenRecords.get(t, id)
		return err
	})
	return v, err
}

func (s *personalTokens) List(ctx context.Context, userID string) (list []sx.PersonalToken, err error) {
	err = s.db.view(ctx, "list tokens", func(t tx) error {
		prefix := tokenKey(userID, "")
		c := t.Bucket(bucketTokenKeys).Cursor()
		for k, id := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, id = c.Next() {
			v, err := tokenRecords.get(t, string(id))
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b sx.PersonalToken) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

func (s *personalTokens) Delete(ctx context.Context, id string) error {
	return s.db.update(ctx, "delete token", func(t tx) error {
		v, err := tokenRecords.get(t, id)
		if sx.CodeOf(err) == sx.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return s.remove(t, v)
	})
}

func (s *personalTokens) DeleteExpired(ctx context.Context, now time.Time) error {
	return s.db.updateInBatches(ctx, "delete expired tokens", func(t tx) (int, error) {
		ids := tokenRecords.expired(t, now)
		for _, id := range ids {
			v, err := tokenRecords.get(t, id)
			if err == nil {
				err = s.remove(t, v)
			}
			if err != nil {
				return 0, err
			}
		}
		return len(ids), nil
	})
}

func (s *personalTokens) remove(t tx, v sx.PersonalToken) error {
	if err := tokenRecords.delete(t, v.ID); err != nil {
		return err
	}
	return t.Bucket(bucketTokenKeys).Delete(tokenKey(v.UserID, v.Name))
}
