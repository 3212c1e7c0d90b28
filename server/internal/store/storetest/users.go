package storetest

import (
	"slices"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var userTests = []test{
	{"a user is stored completely", userKept},
	{"a name is unique", nameTaken},
	{"an absent user is not found", userAbsent},
	{"Replace is a compare-and-set", userReplace},
	{"a name cannot be changed", nameStays},
	{"one of several concurrent Replaces succeeds", userRace},
	{"one of several concurrent Creates gets a name", nameRace},
	{"List returns pages in the order of names", userList},
}

func user(id, name string) sx.User {
	return sx.User{ID: id, Name: name, PasswordHash: "hash of " + name, Created: epoch}
}

func userKept(f *fixture) {
	u := testkit.Filled[sx.User](f.t)
	f.ok(f.Users.Create(f.ctx, u))
	f.reopen()
	u.Rev = 1
	got, err := f.Users.ByID(f.ctx, u.ID)
	f.ok(err)
	same(f, got, u)
	got, err = f.Users.ByName(f.ctx, u.Name)
	f.ok(err)
	same(f, got, u)
}

func nameTaken(f *fixture) {
	f.ok(f.Users.Create(f.ctx, user("u1", "ann")))
	f.code(f.Users.Create(f.ctx, user("u2", "ann")), sx.CodeNameTaken)
	_, err := f.Users.ByID(f.ctx, "u2")
	f.code(err, sx.CodeNotFound)
	got, err := f.Users.ByName(f.ctx, "ann")
	f.ok(err)
	if got.ID != "u1" {
		f.t.Errorf("ann is %s, want u1", got.ID)
	}
	f.code(f.Users.Create(f.ctx, user("u1", "bob")), sx.CodeConflict)
	f.ok(f.Users.Create(f.ctx, user("u2", "bob"))) // the refused Creates left nothing
}

func userAbsent(f *fixture) {
	_, err := f.Users.ByID(f.ctx, "nobody")
	f.code(err, sx.CodeNotFound)
	_, err = f.Users.ByName(f.ctx, "nobody")
	f.code(err, sx.CodeNotFound)
	f.code(f.Users.Replace(f.ctx, user("nobody", "nobody")), sx.CodeNotFound)
}

func userReplace(f *fixture) {
	f.ok(f.Users.Create(f.ctx, user("u1", "ann")))
	first, err := f.Users.ByID(f.ctx, "u1")
	f.ok(err)
	changed := first
	changed.PasswordHash = "new"
	f.ok(f.Users.Replace(f.ctx, changed))
	f.stale(f.Users.Replace(f.ctx, first))
	changed.Rev = first.Rev + 1
	got, err := f.Users.ByName(f.ctx, "ann")
	f.ok(err)
	same(f, got, changed)
	f.ok(f.Users.Replace(f.ctx, got))
}

func nameStays(f *fixture) {
	f.ok(f.Users.Create(f.ctx, user("u1", "ann")))
	u, err := f.Users.ByID(f.ctx, "u1")
	f.ok(err)
	u.Name = "bob"
	f.code(f.Users.Replace(f.ctx, u), sx.CodeInvalid)
	got, err := f.Users.ByName(f.ctx, "ann")
	f.ok(err)
	same(f, got, func() sx.User { u := user("u1", "ann"); u.Rev = 1; return u }())
	_, err = f.Users.ByName(f.ctx, "bob")
	f.code(err, sx.CodeNotFound)
}

func userRace(f *fixture) {
	f.ok(f.Users.Create(f.ctx, user("u1", "ann")))
	race(f, nothing, func(round, _ int) error {
		u := user("u1", "ann")
		u.Rev = int64(round + 1)
		return f.Users.Replace(f.ctx, u)
	})
}

func userList(f *fixture) {
	for i, name := range []string{"eve", "ann", "ann.b", "bob", "ann+c", "9to5"} {
		f.ok(f.Users.Create(f.ctx, user("u"+string(rune('0'+i)), name)))
	}
	for _, c := range []struct {
		after string
		limit int
		want  []string
		more  bool
	}{
		{"", 0, []string{"9to5", "ann", "ann+c", "ann.b", "bob", "eve"}, false},
		{"", 2, []string{"9to5", "ann"}, true},
		{"ann", 2, []string{"ann+c", "ann.b"}, true},
		{"ann.b", 2, []string{"bob", "eve"}, false},
		{"ann.a", 1, []string{"ann.b"}, true}, // a name that does not exist
		{"eve", 1, nil, false},
	} {
		list, more, err := f.Users.List(f.ctx, c.after, c.limit)
		f.ok(err)
		var got []string
		for _, u := range list {
			got = append(got, u.Name)
		}
		if !slices.Equal(got, c.want) || more != c.more {
			f.t.Errorf("after %q, %d at most: %v, more %v; want %v, %v", c.after, c.limit, got, more, c.want, c.more)
		}
	}
}

func nameRace(f *fixture) {
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f.Users.Create(f.ctx, user("u"+string(rune('0'+i)), "ann")) }()
	}
	created := 0
	for range n {
		if err := <-errs; err == nil {
			created++
		} else {
			f.code(err, sx.CodeNameTaken)
		}
	}
	if created != 1 {
		f.t.Errorf("%d users got the name, want 1", created)
	}
}
