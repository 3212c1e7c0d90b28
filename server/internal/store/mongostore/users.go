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

type users struct{ c collection }

var _ store.Users = (*users)(nil)

type userDoc struct {
	ID           string       `bson:"_id"`
	Rev          int64        `bson:"rev"`
	Name         string       `bson:"name"`
	PasswordHash string       `bson:"password_hash"`
	Admin        bool         `bson:"admin"`
	Disabled     bool         `bson:"disabled"`
	Erasing      bool         `bson:"erasing"`
	Epoch        int          `bson:"epoch"`
	Reset        resetDoc     `bson:"reset"`
	Invitation   string       `bson:"invitation"`
	Binding      string       `bson:"binding,omitempty"`
	GroupAdmin   time.Time    `bson:"group_admin_until,omitempty"`
	Networks     []networkDoc `bson:"networks"`
	Created      time.Time    `bson:"created"`
}

type resetDoc struct {
	Hash    string    `bson:"hash"`
	Expires time.Time `bson:"expires"`
}

type networkDoc struct {
	Prefix string    `bson:"prefix"`
	Seen   time.Time `bson:"seen"`
}

func newUserDoc(u sx.User, rev int64) userDoc {
	d := userDoc{
		ID: u.ID, Rev: rev, Name: u.Name, PasswordHash: u.PasswordHash,
		Admin: u.Admin, Disabled: u.Disabled, Erasing: u.Erasing, Epoch: u.Epoch, Reset: resetDoc(u.Reset), Invitation: u.Invitation,
		Binding: u.Binding, GroupAdmin: u.GroupAdminUntil,
		Networks: []networkDoc{}, Created: u.Created,
	}
	for _, n := range u.Networks {
		d.Networks = append(d.Networks, networkDoc(n))
	}
	return d
}

func (d userDoc) key() (string, int64) { return d.ID, d.Rev }

func (d userDoc) user() sx.User {
	u := sx.User{
		ID: d.ID, Rev: d.Rev, Name: d.Name, PasswordHash: d.PasswordHash,
		Admin: d.Admin, Disabled: d.Disabled, Erasing: d.Erasing, Epoch: d.Epoch, Reset: sx.ResetCode(d.Reset), Invitation: d.Invitation,
		Binding: d.Binding, GroupAdminUntil: d.GroupAdmin, Created: d.Created,
	}
	for _, n := range d.Networks {
		u.Networks = append(u.Networks, sx.Network(n))
	}
	return u
}

func (s *users) records() records[userDoc] { return records[userDoc]{s.c, "user"} }

// Create tries a second time after a deadlock: engines that lock the indexes report one
// to some of the clients that insert the same name at the same time.
func (s *users) Create(ctx context.Context, u sx.User) error {
	err := s.c.insert(ctx, newUserDoc(u, 1))
	if deadlock(err) {
		err = s.c.insert(ctx, newUserDoc(u, 1))
	}
	if !errors.Is(err, errExists) {
		return err
	}
	_, err = s.ByName(ctx, u.Name)
	switch sx.CodeOf(err) {
	case "":
		return sx.NewError(sx.CodeNameTaken, "the name %s is taken", u.Name)
	case sx.CodeNotFound:
		return sx.NewError(sx.CodeConflict, "user %s already exists", u.ID)
	default:
		return err
	}
}

func (s *users) ByID(ctx context.Context, id string) (sx.User, error) {
	d, err := s.records().get(ctx, id)
	return d.user(), err
}

func (s *users) ByName(ctx context.Context, name string) (sx.User, error) {
	ds, err := list[userDoc](ctx, s.c, bson.D{{Key: "name", Value: name}})
	if err != nil {
		return sx.User{}, err
	}
	if len(ds) == 0 {
		return sx.User{}, sx.NewError(sx.CodeNotFound, "user %s not found", name)
	}
	return ds[0].user(), nil
}

func (s *users) Replace(ctx context.Context, u sx.User) error {
	// The name never changes, so it may be compared before the compare-and-set.
	old, err := s.ByID(ctx, u.ID)
	switch {
	case err != nil:
		return err
	case old.Rev != u.Rev:
		return store.ErrStale
	case old.Name != u.Name:
		return sx.NewError(sx.CodeInvalid, "the name of user %s cannot be changed", old.Name)
	}
	return s.records().replaceAt(ctx, u.Rev, newUserDoc(u, u.Rev+1))
}

func (s *users) Delete(ctx context.Context, id string) error { return s.c.deleteID(ctx, id) }

func (s *users) List(ctx context.Context, after string, limit int) (found []sx.User, more bool, err error) {
	o := options.Find().SetSort(bson.D{{Key: "name", Value: 1}})
	if limit > 0 {
		o.SetLimit(int64(limit) + 1)
	}
	ds, err := list[userDoc](ctx, s.c, bson.D{{Key: "name", Value: bson.D{{Key: "$gt", Value: after}}}}, o)
	if limit > 0 && len(ds) > limit {
		ds, more = ds[:limit], true
	}
	for _, d := range ds {
		found = append(found, d.user())
	}
	return found, more, err
}
