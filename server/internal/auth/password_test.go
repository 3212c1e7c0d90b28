package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

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
		p := newPasswords()
		for range maxConcurrentHashes {
			if err := p.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.hash(t.Context(), "x"); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Fatalf("got %v, want code unavailable", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.match(ctx, "x", dummyHash); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want the context's error", err)
		}
		p.release()
		if _, err := p.match(t.Context(), "x", dummyHash); err != nil {
			t.Fatal(err)
		}
	})
}
