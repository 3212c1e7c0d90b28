package storetest

import (
	"strconv"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var idempotencyKeyTests = []test{
	{"a key is stored completely", keyKept},
	{"an absent key is not found", keyAbsent},
	{"a key is unique for its owner", keyUnique},
	{"one of several concurrent Creates succeeds", keyCreateRace},
	{"Replace and Delete are compare-and-sets", keyReplace},
	{"expired keys are deleted, others are not", keysExpire},
	{"the keys of an owner are deleted", keysOfOwner},
	{"the oldest keys are removed", keysTrim},
}

func idempotencyKey(owner, key string, seconds int) sx.IdempotencyKey {
	return sx.IdempotencyKey{
		Owner: owner, Key: key, Request: "aa", JobID: "j", Expires: epoch.Add(time.Duration(seconds) * time.Second),
	}
}

// keys checks which of the keys the owner has.
func (f *fixture) keys(owner string, want map[string]bool) {
	f.t.Helper()
	for key, exists := range want {
		_, err := f.IdempotencyKeys.Get(f.ctx, owner, key)
		if exists {
			f.ok(err)
		} else {
			f.code(err, sx.CodeNotFound)
		}
	}
}

func keyKept(f *fixture) {
	k := testkit.Filled[sx.IdempotencyKey](f.t)
	f.ok(f.IdempotencyKeys.Create(f.ctx, k, keepAll))
	f.reopen()
	k.Rev = 1
	got, err := f.IdempotencyKeys.Get(f.ctx, k.Owner, k.Key)
	f.ok(err)
	same(f, got, k)
}

func keyAbsent(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a", 0), keepAll))
	f.keys("u1", map[string]bool{"b": false})
	f.keys("u", map[string]bool{"a": false})
	f.code(f.IdempotencyKeys.Replace(f.ctx, idempotencyKey("u1", "b", 0)), sx.CodeNotFound)
	f.ok(f.IdempotencyKeys.Delete(f.ctx, idempotencyKey("u1", "b", 0)))
}

func keyUnique(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a/b", 0), keepAll))
	f.code(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a/b", 1), keepAll), sx.CodeConflict)
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u2", "a/b", 2), keepAll))
	got, err := f.IdempotencyKeys.Get(f.ctx, "u1", "a/b")
	f.ok(err)
	want := idempotencyKey("u1", "a/b", 0)
	want.Rev = 1
	same(f, got, want)
}

func keyCreateRace(f *fixture) {
	race(f, nothing, func(round, _ int) error {
		err := f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", strconv.Itoa(round), round), keepAll)
		if sx.CodeOf(err) == sx.CodeConflict {
			return store.ErrStale
		}
		return err
	})
}

func keyReplace(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a", 0), keepAll))
	first, err := f.IdempotencyKeys.Get(f.ctx, "u1", "a")
	f.ok(err)
	changed := first
	changed.JobID, changed.Done, changed.Expires = "k", true, epoch.Add(time.Hour)
	f.ok(f.IdempotencyKeys.Replace(f.ctx, changed))
	f.stale(f.IdempotencyKeys.Replace(f.ctx, first))
	f.stale(f.IdempotencyKeys.Delete(f.ctx, first))
	changed.Rev = first.Rev + 1
	got, err := f.IdempotencyKeys.Get(f.ctx, "u1", "a")
	f.ok(err)
	same(f, got, changed)
	f.ok(f.IdempotencyKeys.DeleteExpired(f.ctx, epoch.Add(time.Minute))) // it now expires later
	f.keys("u1", map[string]bool{"a": true})
	f.ok(f.IdempotencyKeys.Delete(f.ctx, changed))
	f.keys("u1", map[string]bool{"a": false})
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a", 0), keepAll))
}

func keysExpire(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "past", -1), keepAll))
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u2", "past", -2), keepAll))
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "now", 0), keepAll))
	f.ok(f.IdempotencyKeys.DeleteExpired(f.ctx, epoch))
	f.keys("u1", map[string]bool{"past": false, "now": true})
	f.keys("u2", map[string]bool{"past": false})
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "past", 1), keepAll))
}

func keysOfOwner(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "a", 0), keepAll))
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "b", 1), keepAll))
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u11", "a", 2), keepAll))
	f.ok(f.IdempotencyKeys.DeleteOf(f.ctx, "u1"))
	f.keys("u1", map[string]bool{"a": false, "b": false})
	f.keys("u11", map[string]bool{"a": true})
}

func keysTrim(f *fixture) {
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u2", "0", -50), keepAll))
	for _, i := range []int{3, 1, 0, 2} {
		f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", strconv.Itoa(i), i), keepAll))
	}
	f.ok(f.IdempotencyKeys.Create(f.ctx, idempotencyKey("u1", "4", 4), 3))
	f.keys("u1", map[string]bool{"0": false, "1": false, "2": true, "3": true, "4": true})
	f.keys("u2", map[string]bool{"0": true})
}
