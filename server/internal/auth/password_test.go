package auth

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/soundextract/sx/server/sx"
)

// TestDummyHash checks that comparing with the dummy hash takes as long as with
// a real one.
func TestDummyHash(t *testing.T) {
	t.Parallel()
	got, salt, key, err := argon2id.DecodeHash(dummyHash)
	if err != nil || *got != *params() || len(salt) != int(params().SaltLength) || len(key) != int(params().KeyLength) {
		t.Fatalf("got %+v, error %v", got, err)
	}
}

func TestHashesAreQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, from := newPasswords(), origin{network: "198.51.100.0/24"}
		for range maxConcurrentHashes {
			if err := p.strangers.acquire(t.Context(), from.network); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.hash(t.Context(), from, "x"); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Fatalf("got %v, want code unavailable", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.match(ctx, from, "x", dummyHash); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want the context's error", err)
		}
		// Sign-ins from known networks do not wait for strangers.
		start := time.Now()
		from.known = true
		if _, err := p.match(t.Context(), from, "x", dummyHash); err != nil || time.Since(start) > 0 {
			t.Fatalf("a known network waited %v, %v", time.Since(start), err)
		}
		from.known = false
		p.strangers.release()
		if _, err := p.match(t.Context(), from, "x", dummyHash); err != nil {
			t.Fatal(err)
		}
		if len(p.strangers.turns) != 0 || len(p.strangers.waiting) != 0 {
			t.Fatalf("%v still wait", p.strangers.turns)
		}
	})
}

// TestNetworksTakeTurns checks that 90 sign-ins of one network delay another network
// by one turn, not by 90.
func TestNetworksTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFairSlots(1)
		if err := f.acquire(t.Context(), "attacker"); err != nil {
			t.Fatal(err)
		}
		var order []string
		wait := func(network string) {
			go func() {
				if err := f.acquire(t.Context(), network); err != nil {
					t.Error(err)
					return
				}
				order = append(order, network) // only one holds the slot
				f.release()
			}()
			synctest.Wait()
		}
		for range 90 {
			wait("attacker")
		}
		wait("owner")
		f.release()
		synctest.Wait()
		if len(order) != 91 || slices.Index(order, "owner") > 1 {
			t.Fatalf("the owner was number %d of %d", slices.Index(order, "owner")+1, len(order))
		}
	})
}
