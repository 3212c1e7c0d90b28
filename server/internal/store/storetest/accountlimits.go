package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var accountLimitTests = []test{
	{"an owner without limits has empty ones", accountLimitsEmpty},
	{"limits are stored completely", accountLimitsKept},
	{"0 is another limit than none", accountLimitsZero},
	{"limits of several owners are read at once", accountLimitsOf},
	{"Replace is a compare-and-set", accountLimitsReplace},
	{"one of several concurrent Replaces succeeds", accountLimitsRace},
}

func (f *fixture) limits(owner string, want sx.Limits) {
	f.t.Helper()
	got, err := f.Limits.Get(f.ctx, owner)
	f.ok(err)
	same(f, got, want)
}

func accountLimitsEmpty(f *fixture) {
	f.limits("ada", sx.Limits{Owner: "ada"})
	f.ok(f.Limits.Delete(f.ctx, "ada"))
}

func accountLimitsKept(f *fixture) {
	v := testkit.Filled[sx.Limits](f.t)
	v.Rev = 0
	f.ok(f.Limits.Replace(f.ctx, v))
	f.reopen()
	v.Rev = 1
	f.limits(v.Owner, v)
	f.ok(f.Limits.Delete(f.ctx, v.Owner))
	f.limits(v.Owner, sx.Limits{Owner: v.Owner})
}

func accountLimitsZero(f *fixture) {
	var bytes int64
	var videos time.Duration
	f.ok(f.Limits.Replace(f.ctx, sx.Limits{Owner: "ada", Bytes: &bytes, Videos: &videos}))
	f.limits("ada", sx.Limits{Owner: "ada", Bytes: &bytes, Videos: &videos, Rev: 1})
}

func accountLimitsOf(f *fixture) {
	one, two := 1, 2
	f.ok(f.Limits.Replace(f.ctx, sx.Limits{Owner: "ada", Uploads: &one}))
	f.ok(f.Limits.Replace(f.ctx, sx.Limits{Owner: "bob", Uploads: &two}))
	f.ok(f.Limits.Replace(f.ctx, sx.Limits{Owner: sx.ServerLimits, Uploads: &two}))
	got, err := f.Limits.Of(f.ctx, []string{"eve", "bob", "ada"})
	f.ok(err)
	slices.SortFunc(got, func(a, b sx.Limits) int { return strings.Compare(a.Owner, b.Owner) })
	same(f, got, []sx.Limits{{Owner: "ada", Uploads: &one, Rev: 1}, {Owner: "bob", Uploads: &two, Rev: 1}})
	for _, none := range [][]string{nil, {"eve"}} {
		if got, err := f.Limits.Of(f.ctx, none); err != nil || len(got) != 0 {
			f.t.Errorf("got %v, %v", got, err)
		}
	}
}

func accountLimitsReplace(f *fixture) {
	uploads := 3
	v := sx.Limits{Owner: "ada", Uploads: &uploads}
	f.ok(f.Limits.Replace(f.ctx, v))
	f.stale(f.Limits.Replace(f.ctx, v))
	v.Rev, v.Uploads = 1, nil
	f.ok(f.Limits.Replace(f.ctx, v))
	f.stale(f.Limits.Replace(f.ctx, v))
	f.limits("ada", sx.Limits{Owner: "ada", Rev: 2})
}

func accountLimitsRace(f *fixture) {
	race(f, nothing, func(round, _ int) error {
		return f.Limits.Replace(f.ctx, sx.Limits{Owner: "ada", Rev: int64(round)})
	})
}
