package storetest

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var tokenTests = []test{
	{"a token is stored completely", tokenKept},
	{"an absent token is not found", tokenAbsent},
	{"a name is unique for its user", tokenNames},
	{"List returns the user's own, oldest first", tokenList},
	{"a deleted token is not found", tokenDelete},
	{"expired tokens are deleted, others are not", tokensExpire},
}

func token(id, user, name string, seconds int) sx.PersonalToken {
	return sx.PersonalToken{
		ID: id, UserID: user, Name: name, Hash: "aa",
		Created: epoch.Add(time.Duration(seconds) * time.Second), Expires: epoch.Add(time.Hour),
	}
}

// tokens checks the IDs of a user's tokens.
func (f *fixture) tokens(user string, want ...string) {
	f.t.Helper()
	list, err := f.PersonalTokens.List(f.ctx, user)
	f.ok(err)
	var got []string
	for _, v := range list {
		got = append(got, v.ID)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("%s has the tokens %v, want %v", user, got, want)
	}
}

func tokenKept(f *fixture) {
	v := testkit.Filled[sx.PersonalToken](f.t)
	f.ok(f.PersonalTokens.Create(f.ctx, v))
	f.reopen()
	got, err := f.PersonalTokens.ByID(f.ctx, v.ID)
	f.ok(err)
	same(f, got, v)
	list, err := f.PersonalTokens.List(f.ctx, v.UserID)
	f.ok(err)
	same(f, list, []sx.PersonalToken{v})
}

func tokenAbsent(f *fixture) {
	_, err := f.PersonalTokens.ByID(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.tokens("nobody")
	f.ok(f.PersonalTokens.Delete(f.ctx, "none"))
}

func tokenNames(f *fixture) {
	f.ok(f.PersonalTokens.Create(f.ctx, token("t1", "u1", "ci", 0)))
	f.code(f.PersonalTokens.Create(f.ctx, token("t2", "u1", "ci", 0)), sx.CodeConflict)
	f.code(f.PersonalTokens.Create(f.ctx, token("t1", "u1", "cd", 0)), sx.CodeConflict)
	f.ok(f.PersonalTokens.Create(f.ctx, token("t2", "u2", "ci", 0)))
	f.tokens("u1", "t1")
}

func tokenList(f *fixture) {
	for i, v := range []sx.PersonalToken{
		token("t3", "u1", "a", 0), token("t2", "u1", "c", 0), token("t1", "u1", "b", 1), token("t4", "u11", "d", 0),
		token("t0", "u1", "e", -1),
	} {
		if i == 3 {
			f.reopen()
		}
		f.ok(f.PersonalTokens.Create(f.ctx, v))
	}
	f.tokens("u1", "t0", "t2", "t3", "t1")
	f.tokens("u11", "t4")
}

func tokenDelete(f *fixture) {
	f.ok(f.PersonalTokens.Create(f.ctx, token("t1", "u1", "ci", 0)))
	f.ok(f.PersonalTokens.Create(f.ctx, token("t2", "u1", "cd", 0)))
	f.ok(f.PersonalTokens.Delete(f.ctx, "t1"))
	f.tokens("u1", "t2")
	_, err := f.PersonalTokens.ByID(f.ctx, "t1")
	f.code(err, sx.CodeNotFound)
	f.ok(f.PersonalTokens.Create(f.ctx, token("t3", "u1", "ci", 1))) // the name can be used again
	f.tokens("u1", "t2", "t3")
}

func tokensExpire(f *fixture) {
	for id, expires := range map[string]time.Duration{"past": -time.Millisecond, "now": 0} {
		v := token(id, "u1", id, 0)
		v.Expires = epoch.Add(expires)
		f.ok(f.PersonalTokens.Create(f.ctx, v))
	}
	f.ok(f.PersonalTokens.DeleteExpired(f.ctx, epoch))
	f.tokens("u1", "now")
	f.ok(f.PersonalTokens.Create(f.ctx, token("new", "u1", "past", 1)))
}
