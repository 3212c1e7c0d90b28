package storetest

import (
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var feedTests = []test{
	{"feeds are stored completely", feedsKept},
	{"a user without feeds has none", feedsAbsent},
	{"Replace is a compare-and-set", feedsReplace},
	{"one of several concurrent first feeds is stored", feedsFirstRace},
	{"one of several concurrent changes succeeds", feedsRace},
	{"deleted feeds are gone", feedsDelete},
}

func feedsKept(f *fixture) {
	v := testkit.Filled[sx.Feeds](f.t)
	v.List = append(v.List, sx.Feed{ID: "f2", Name: "b", Created: epoch})
	v.Rev = 0
	f.ok(f.Feeds.Replace(f.ctx, v))
	f.reopen()
	got, err := f.Feeds.Get(f.ctx, v.Owner)
	f.ok(err)
	v.Rev = 1
	same(f, got, v)
}

func feedsAbsent(f *fixture) {
	got, err := f.Feeds.Get(f.ctx, "u1")
	f.ok(err)
	same(f, got, sx.Feeds{Owner: "u1"})
	f.stale(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1", Rev: 1}))
}

func feedsReplace(f *fixture) {
	first := sx.Feeds{Owner: "u1", List: []sx.Feed{{ID: "f1", Name: "a", Created: epoch}}}
	f.ok(f.Feeds.Replace(f.ctx, first))
	f.stale(f.Feeds.Replace(f.ctx, first))
	f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u11", List: []sx.Feed{{ID: "f2", Name: "a", Created: epoch}}}))
	f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1", Rev: 1}))
	got, err := f.Feeds.Get(f.ctx, "u1")
	f.ok(err)
	same(f, got, sx.Feeds{Owner: "u1", Rev: 2})
}

func feedsFirstRace(f *fixture) {
	race(f, nothing, func(round, _ int) error {
		return f.Feeds.Replace(f.ctx, sx.Feeds{Owner: string(rune('a' + round))})
	})
}

func feedsRace(f *fixture) {
	f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1"}))
	race(f, nothing, func(round, _ int) error {
		return f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1", Rev: int64(round + 1)})
	})
}

func feedsDelete(f *fixture) {
	f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1"}))
	for range 2 {
		f.ok(f.Feeds.Delete(f.ctx, "u1"))
		got, err := f.Feeds.Get(f.ctx, "u1")
		f.ok(err)
		same(f, got, sx.Feeds{Owner: "u1"})
	}
	f.ok(f.Feeds.Replace(f.ctx, sx.Feeds{Owner: "u1"}))
}
