package storetest

import (
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var invitationTests = []test{
	{"an invitation is stored completely", invitationKept},
	{"an absent invitation is not found", invitationAbsent},
	{"Replace is a compare-and-set", invitationReplace},
	{"one of several concurrent uses succeeds", invitationRace},
	{"expired invitations are deleted, others are not", invitationsExpire},
}

func invitation(id string) sx.Invitation {
	return sx.Invitation{ID: id, Hash: "aa", Inviter: "u1", Created: epoch, Expires: epoch.Add(time.Hour)}
}

func invitationKept(f *fixture) {
	v := testkit.Filled[sx.Invitation](f.t)
	f.ok(f.Invitations.Create(f.ctx, v))
	f.code(f.Invitations.Create(f.ctx, v), sx.CodeConflict)
	f.reopen()
	v.Rev = 1
	got, err := f.Invitations.ByID(f.ctx, v.ID)
	f.ok(err)
	same(f, got, v)
}

func invitationAbsent(f *fixture) {
	_, err := f.Invitations.ByID(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.code(f.Invitations.Replace(f.ctx, invitation("none")), sx.CodeNotFound)
}

func invitationReplace(f *fixture) {
	f.ok(f.Invitations.Create(f.ctx, invitation("i1")))
	first, err := f.Invitations.ByID(f.ctx, "i1")
	f.ok(err)
	changed := first
	changed.UsedBy = "ann"
	f.ok(f.Invitations.Replace(f.ctx, changed))
	f.stale(f.Invitations.Replace(f.ctx, first))
	changed.Rev = first.Rev + 1
	got, err := f.Invitations.ByID(f.ctx, "i1")
	f.ok(err)
	same(f, got, changed)
}

func invitationRace(f *fixture) {
	f.ok(f.Invitations.Create(f.ctx, invitation("i1")))
	race(f, nothing, func(round, _ int) error {
		v := invitation("i1")
		v.Rev = int64(round + 1)
		return f.Invitations.Replace(f.ctx, v)
	})
}

func invitationsExpire(f *fixture) {
	for id, expires := range map[string]time.Duration{"past": -time.Millisecond, "now": 0, "future": time.Hour} {
		v := invitation(id)
		v.Expires = epoch.Add(expires)
		f.ok(f.Invitations.Create(f.ctx, v))
	}
	f.ok(f.Invitations.DeleteExpired(f.ctx, epoch))
	for id, want := range map[string]sx.Code{"past": sx.CodeNotFound, "now": "", "future": ""} {
		if _, err := f.Invitations.ByID(f.ctx, id); sx.CodeOf(err) != want {
			f.t.Errorf("invitation %s: %v, want code %q", id, err, want)
		}
	}
}
