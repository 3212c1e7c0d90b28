package token_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestRotation follows the steps in the comment of LoadKeys, with two auth
// processes that are restarted one after the other and a gateway that fetches
// keys from either of them.
func TestRotation(t *testing.T) {
	t.Parallel()
	c, dir := testkit.NewClockAt(day), t.TempDir()
	load := func() *token.Signer {
		t.Helper()
		keys, err := token.LoadKeys(dir, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		return newSigner(t, c, keys...)
	}
	one := load()
	two := load()
	src := &source{}
	v := token.NewVerifier(src.Fetch, c.Now)
	// good checks a token of either auth at a gateway that fetches keys from
	// the other.
	good := func(when string) {
		t.Helper()
		for _, signed := range []struct{ by, asked *token.Signer }{{one, two}, {two, one}} {
			src.Set(signed.asked.KeySet(), nil)
			if _, err := v.Verify(t.Context(), sign(t, signed.by)); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	good("before")
	old := sign(t, one)
	check := func() error { _, err := v.Verify(t.Context(), old); return err }

	next, err := token.LoadKeys(t.TempDir(), day)
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, filepath.Join(dir, day.Add(time.Hour).Format("20060102T150405Z")+".pem"), next[0].Private)
	c.Advance(5 * time.Minute)
	one = load()
	good("with the new key in one auth")
	if err := check(); err != nil {
		t.Fatalf("a token signed before the rotation: %v", err)
	}
	two = load()
	c.Advance(time.Hour - 5*time.Minute - time.Second)
	good("a second before the new key's time")
	old = sign(t, one)
	c.Advance(time.Second)
	good("at the new key's time")
	c.Advance(token.Lifetime - 2*time.Second)
	if err := check(); err != nil {
		t.Fatalf("a token of the old key, a second before its end: %v", err)
	}
	c.Advance(15 * time.Second)
	wantCode(t, check(), sx.CodeUnauthenticated)

	c.Advance(-15 * time.Second) // as if it had not expired
	if err := os.Remove(filepath.Join(dir, day.Format("20060102T150405Z")+".pem")); err != nil {
		t.Fatal(err)
	}
	one, two = load(), load()
	good("without the old key")
	src.Set(one.KeySet(), nil)
	fresh := token.NewVerifier(src.Fetch, c.Now)
	_, err = fresh.Verify(t.Context(), old)
	wantCode(t, err, sx.CodeUnauthenticated)
}

func TestFutureKeysAlone(t *testing.T) {
	t.Parallel()
	c, key, later := testkit.NewClock(), newKey(t), newKey(t)
	key.From, later.From = c.Now().Add(time.Hour), c.Now().Add(2*time.Hour)
	src := &source{doc: newSigner(t, c, key).KeySet()}
	if _, err := token.NewVerifier(src.Fetch, c.Now).Verify(t.Context(), sign(t, newSigner(t, c, key, later))); err != nil {
		t.Errorf("the first of two future keys does not sign: %v", err)
	}
}
