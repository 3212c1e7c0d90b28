package storetest

import (
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var sessionTests = []test{
	{"a session is stored completely", sessionKept},
	{"an absent session is not found", sessionAbsent},
	{"Replace is a compare-and-set", sessionReplace},
	{"one of several concurrent Replaces succeeds", sessionRace},
	{"a deleted session is not found", sessionDelete},
	{"expired sessions are deleted, others are not", sessionsExpire},
}

func session(id string) sx.Session {
	return sx.Session{ID: id, UserID: "u1", Current: "aa", Rotated: epoch, Expires: epoch.Add(time.Hour)}
}

func sessionKept(f *fixture) {
	s := testkit.Filled[sx.Session](f.t)
	f.ok(f.Sessions.Create(f.ctx, s))
	f.reopen()
	s.Rev = 1
	got, err := f.Sessions.ByID(f.ctx, s.ID)
	f.ok(err)
	same(f, got, s)
}

func sessionAbsent(f *fixture) {
	_, err := f.Sessions.ByID(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.code(f.Sessions.Replace(f.ctx, session("none")), sx.CodeNotFound)
}

func sessionReplace(f *fixture) {
	f.ok(f.Sessions.Create(f.ctx, session("s1")))
	first, err := f.Sessions.ByID(f.ctx, "s1")
	f.ok(err)
	changed := first
	changed.Previous, changed.Current = first.Current, "bb"
	f.ok(f.Sessions.Replace(f.ctx, changed))
	f.stale(f.Sessions.Replace(f.ctx, first))
	changed.Rev = first.Rev + 1
	got, err := f.Sessions.ByID(f.ctx, "s1")
	f.ok(err)
	same(f, got, changed)
}

func sessionRace(f *fixture) {
	f.ok(f.Sessions.Create(f.ctx, session("s1")))
	race(f, nothing, func(round, _ int) error {
		s := session("s1")
		s.Rev = int64(round + 1)
		return f.Sessions.Replace(f.ctx, s)
	})
}

func sessionDelete(f *fixture) {
	f.ok(f.Sessions.Create(f.ctx, session("s1")))
	f.ok(f.Sessions.Delete(f.ctx, "s1"))
	f.ok(f.Sessions.Delete(f.ctx, "s1"))
	_, err := f.Sessions.ByID(f.ctx, "s1")
	f.code(err, sx.CodeNotFound)
}

func sessionsExpire(f *fixture) {
	for id, expires := range map[string]time.Duration{"past1": -time.Hour, "now": 0, "past2": -time.Millisecond, "future": time.Hour} {
		s := session(id)
		s.Expires = epoch.Add(expires)
		f.ok(f.Sessions.Create(f.ctx, s))
	}
	renewed := session("renewed")
	renewed.Expires = epoch.Add(-time.Hour)
	f.ok(f.Sessions.Create(f.ctx, renewed))
	renewed, err := f.Sessions.ByID(f.ctx, "renewed")
	f.ok(err)
	renewed.Expires = epoch.Add(time.Minute)
	f.ok(f.Sessions.Replace(f.ctx, renewed))
	f.ok(f.Sessions.DeleteExpired(f.ctx, epoch))
	for id, want := range map[string]sx.Code{"past1": sx.CodeNotFound, "past2": sx.CodeNotFound, "now": "", "renewed": "", "future": ""} {
		if _, err := f.Sessions.ByID(f.ctx, id); sx.CodeOf(err) != want {
			f.t.Errorf("session %s: %v, want code %q", id, err, want)
		}
	}
	f.ok(f.Sessions.DeleteExpired(f.ctx, epoch.Add(2*time.Minute)))
	_, err = f.Sessions.ByID(f.ctx, "renewed")
	f.code(err, sx.CodeNotFound)
}
