package storetest

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var erasureTests = []test{
	{"an erasure is stored completely, and once", erasureKept},
	{"Replace is a compare-and-set", erasureReplace},
	{"one of several concurrent Replaces succeeds", erasureRace},
	{"Due returns the erasures of a step by the time", erasuresDue},
	{"what is stored for a user is deleted, and nothing of others", eraseUser},
}

func erasure(user string, step sx.ErasureStep, due time.Duration) sx.Erasure {
	return sx.Erasure{UserID: user, Name: "name of " + user, Step: step, Requested: epoch, Due: epoch.Add(due)}
}

func erasureKept(f *fixture) {
	e := testkit.Filled[sx.Erasure](f.t)
	f.ok(f.Erasures.Create(f.ctx, e))
	f.code(f.Erasures.Create(f.ctx, e), sx.CodeConflict)
	f.reopen()
	e.Rev = 1
	got, err := f.Erasures.Get(f.ctx, e.UserID)
	f.ok(err)
	same(f, got, e)
	f.ok(f.Erasures.Delete(f.ctx, e.UserID))
	f.ok(f.Erasures.Delete(f.ctx, e.UserID))
	_, err = f.Erasures.Get(f.ctx, e.UserID)
	f.code(err, sx.CodeNotFound)
	f.code(f.Erasures.Replace(f.ctx, e), sx.CodeNotFound)
	f.erasuresDue(e.Step, e.Due)
}

func erasureReplace(f *fixture) {
	e := erasure("u1", sx.EraseJobs, 0)
	f.ok(f.Erasures.Create(f.ctx, e))
	e.Rev, e.Step = 1, sx.EraseNotifications
	f.ok(f.Erasures.Replace(f.ctx, e))
	f.stale(f.Erasures.Replace(f.ctx, e))
	f.erasuresDue(sx.EraseJobs, epoch)
	f.erasuresDue(sx.EraseNotifications, epoch, "u1")
}

func erasureRace(f *fixture) {
	f.ok(f.Erasures.Create(f.ctx, erasure("u1", sx.EraseJobs, 0)))
	race(f, nothing, func(round, _ int) error {
		e := erasure("u1", sx.EraseJobs, 0)
		e.Rev = int64(round) + 1
		return f.Erasures.Replace(f.ctx, e)
	})
}

// erasuresDue checks which erasures are due.
func (f *fixture) erasuresDue(step sx.ErasureStep, now time.Time, want ...string) {
	f.t.Helper()
	list, err := f.Erasures.Due(f.ctx, step, now, 2)
	f.ok(err)
	var got []string
	for _, e := range list {
		got = append(got, e.UserID)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("due at %v for %s: %v, want %v", now, step, got, want)
	}
}

func erasuresDue(f *fixture) {
	for _, e := range []sx.Erasure{
		erasure("u1", sx.EraseJobs, 2*time.Second), erasure("u2", sx.EraseJobs, time.Second),
		erasure("u3", sx.EraseJobs, time.Second), erasure("u4", sx.EraseAccount, 0),
	} {
		f.ok(f.Erasures.Create(f.ctx, e))
	}
	f.erasuresDue(sx.EraseJobs, epoch)
	f.erasuresDue(sx.EraseJobs, epoch.Add(2*time.Second), "u2", "u3")
	f.ok(f.Erasures.Delete(f.ctx, "u2"))
	f.erasuresDue(sx.EraseJobs, epoch.Add(2*time.Second), "u3", "u1")
	f.erasuresDue(sx.EraseAccount, epoch, "u4")
	f.erasuresDue(sx.EraseMark, epoch.Add(time.Hour))
}

// eraseUser has two users whose IDs have the same beginning.
func eraseUser(f *fixture) {
	users := []string{"u1", "u11"}
	for _, id := range users {
		f.ok(f.Users.Create(f.ctx, user(id, "name of "+id)))
		s := session("session of " + id)
		s.UserID = id
		f.ok(f.Sessions.Create(f.ctx, s))
		v := invitation("invitation of " + id)
		v.Inviter = id
		f.ok(f.Invitations.Create(f.ctx, v))
		f.ok(f.NotificationSettings.Replace(f.ctx, sx.NotificationSettings{UserID: id, Email: "a@example.org"}))
		f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: id}))
		f.ok(f.Deliveries.Create(f.ctx, delivery("pending of "+id, id, sx.DeliveryPending, 0)))
		f.ok(f.Deliveries.Create(f.ctx, delivery("delivered to "+id, id, sx.DeliveryDelivered, 1)))
		f.ok(f.Conversions.Put(f.ctx, conversion(id, "audio1:aa", "k", 0), keepAll))
		j := job("job of "+id, 0)
		j.Owner = id
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.change("job of u1", func(j *sx.Job) { j.Failures++ }) // so that it counts in the totals of the day
	f.remove("job of u1")
	for range 2 { // each can be repeated
		f.ok(f.Users.Delete(f.ctx, "u1"))
		f.ok(f.Sessions.DeleteOf(f.ctx, "u1"))
		f.ok(f.Invitations.DeleteOf(f.ctx, "u1"))
		f.ok(f.NotificationSettings.Delete(f.ctx, "u1"))
		f.ok(f.Deliveries.DeleteOf(f.ctx, "u1"))
		f.ok(f.Conversions.DeleteOf(f.ctx, "u1"))
		f.ok(f.Feeds.Delete(f.ctx, "u1"))
		f.ok(f.Jobs.DeleteUsage(f.ctx, "u1"))
	}
	f.reopen()
	for _, id := range users {
		want, left := sx.Code(""), 1
		if id == "u1" {
			want, left = sx.CodeNotFound, 0
		}
		_, byID := f.Users.ByID(f.ctx, id)
		_, byName := f.Users.ByName(f.ctx, "name of "+id)
		_, session := f.Sessions.ByID(f.ctx, "session of "+id)
		_, invitation := f.Invitations.ByID(f.ctx, "invitation of "+id)
		_, pending := f.Deliveries.Get(f.ctx, "pending of "+id)
		for what, err := range map[string]error{
			"the user": byID, "the name": byName, "the session": session, "the invitation": invitation, "the delivery": pending,
		} {
			if sx.CodeOf(err) != want {
				f.t.Errorf("%s of %s: %v, want code %q", what, id, err, want)
			}
		}
		settings, err := f.NotificationSettings.Get(f.ctx, id)
		f.ok(err)
		feeds, err := f.Feeds.Get(f.ctx, id)
		f.ok(err)
		deliveries, _, err := f.Deliveries.List(f.ctx, id, nil, 10)
		f.ok(err)
		records, err := f.Conversions.Find(f.ctx, id, []store.ConversionKey{{Identity: "audio1:aa", Options: "k"}})
		f.ok(err)
		used, err := f.Jobs.Usage(f.ctx, id, epoch)
		f.ok(err)
		if int(settings.Rev) != left || int(feeds.Rev) != left || len(deliveries) != 2*left || len(records) != left || used.Today != left {
			f.t.Errorf("%s has settings %+v, feeds %+v, %d deliveries, %d records and totals %+v", id, settings, feeds, len(deliveries), len(records), used)
		}
	}
	due, _, err := f.Deliveries.Due(f.ctx, epoch.Add(time.Hour), store.Busy{}, 10)
	f.ok(err)
	if len(due) != 1 {
		f.t.Errorf("due deliveries %+v, want that of u11", due)
	}
	list, _, err := f.Jobs.List(f.ctx, store.JobFilter{Owner: "u11"})
	f.ok(err)
	if len(list) != 1 {
		f.t.Errorf("u11 has the jobs %+v", list)
	}
	f.ok(f.Users.Create(f.ctx, user("u2", "name of u1"))) // the name is free
}
