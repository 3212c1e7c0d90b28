package storetest

import (
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var bindingTests = []test{
	{"a binding is stored completely, once", bindingKept},
	{"an absent binding is not found", bindingAbsent},
	{"one of several concurrent bindings of a subject is stored", bindingFirstRace},
	{"one of several concurrent changes succeeds", bindingRace},
	{"a deleted binding is gone", bindingDelete},
}

func binding(subject, user string) sx.Binding {
	const issuer = "https://id.example.org"
	return sx.Binding{ID: sx.BindingID(issuer, subject), Issuer: issuer, Subject: subject, UserID: user}
}

func bindingKept(f *fixture) {
	v := testkit.Filled[sx.Binding](f.t)
	f.ok(f.Bindings.Create(f.ctx, v))
	f.code(f.Bindings.Create(f.ctx, v), sx.CodeConflict)
	f.reopen()
	v.Rev = 1
	got, err := f.Bindings.ByID(f.ctx, v.ID)
	f.ok(err)
	same(f, got, v)
}

func bindingAbsent(f *fixture) {
	_, err := f.Bindings.ByID(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.code(f.Bindings.Replace(f.ctx, binding("none", "u1")), sx.CodeNotFound)
}

func bindingFirstRace(f *fixture) {
	race(f, nothing, func(round, racer int) error {
		err := f.Bindings.Create(f.ctx, binding(string(rune('a'+round)), string(rune('a'+racer))))
		if sx.CodeOf(err) == sx.CodeConflict {
			return store.ErrStale
		}
		return err
	})
}

func bindingRace(f *fixture) {
	f.ok(f.Bindings.Create(f.ctx, binding("s1", "u1")))
	race(f, nothing, func(round, racer int) error {
		v := binding("s1", string(rune('a'+racer)))
		v.Rev = int64(round + 1)
		return f.Bindings.Replace(f.ctx, v)
	})
}

func bindingDelete(f *fixture) {
	v := binding("s1", "u1")
	f.ok(f.Bindings.Create(f.ctx, v))
	for range 2 {
		f.ok(f.Bindings.Delete(f.ctx, v.ID))
		_, err := f.Bindings.ByID(f.ctx, v.ID)
		f.code(err, sx.CodeNotFound)
	}
	f.ok(f.Bindings.Create(f.ctx, v))
}
