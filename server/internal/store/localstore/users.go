package localstore

import (
	"context"
	"errors"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type users struct {
	db *database
}

var _ store.Users = (*users)(nil)

var userRecords = records[sx.User]{
	bucket: bucketUsers, kind: "user",
	rev: func(u *sx.User) *int64 { return &u.Rev },
}

func (s *users) Create(ctx context.Context, u sx.User) error {
	return s.db.update(ctx, "store user", func(t tx) error {
		names := t.Bucket(bucketUserNames)
		if names.Get([]byte(u.Name)) != nil {
			return sx.NewError(sx.CodeNameTaken, "the name %s is taken", u.Name)
		}
		if err := userRecords.create(t, u.ID, u); err != nil {
			return err
		}
		return names.Put([]byte(u.Name), []byte(u.ID))
	})
}

func (s *users) ByID(ctx context.Context, id string) (u sx.User, err error) {
	err = s.db.view(ctx, "read user", func(t tx) error {
		u, err = userRecords.get(t, id)
		return err
	})
	return u, err
}

func (s *users) ByName(ctx context.Context, name string) (u sx.User, err error) {
	err = s.db.view(ctx, "read user", func(t tx) error {
		id := t.Bucket(bucketUserNames).Get([]byte(name))
		if id == nil {
			return sx.NewError(sx.CodeNotFound, "user %s not found", name)
		}
		u, err = userRecords.get(t, string(id))
		return err
	})
	return u, err
}

func (s *users) Replace(ctx context.Context, u sx.User) error {
	return s.db.updateAlways(ctx, "change user", func(t tx) error {
		old, err := userRecords.current(t, u.ID, u)
		if err != nil {
			return err
		}
		if old.Name != u.Name {
			return sx.NewError(sx.CodeInvalid, "the name of user %s cannot be changed", old.Name)
		}
		return userRecords.replace(t, u.ID, u)
	})
}

func (s *users) Delete(ctx context.Context, id string) error {
	return s.db.update(ctx, "delete user", func(t tx) error {
		u, err := userRecords.get(t, id)
		if sx.CodeOf(err) == sx.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(t.Bucket(bucketUserNames).Delete([]byte(u.Name)), t.Bucket(bucketUsers).Delete([]byte(id)))
	})
}

func (s *users) List(ctx context.Context, after string, limit int) (list []sx.User, more bool, err error) {
	err = s.db.view(ctx, "list users", func(t tx) error {
		c := t.Bucket(bucketUserNames).Cursor()
		for name, id := c.Seek([]byte(after + "\x00")); name != nil; name, id = c.Next() {
			if limit > 0 && len(list) == limit {
				more = true
				return nil
			}
			u, err := userRecords.get(t, string(id))
			if err != nil {
				return err
			}
			list = append(list, u)
		}
		return ctx.Err()
	})
	return list, more, err
}
