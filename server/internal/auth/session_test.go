package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// rotate refreshes and returns the next refresh token.
func (b *fixture) rotate(t *testing.T, refresh string) string {
	t.Helper()
	got, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	if err != nil {
		t.Fatal(err)
	}
	return got.RefreshToken
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	b := start(t)
	seen := map[string]bool{}
	refresh := b.register(t, "ada").RefreshToken
	for range 5 {
		if seen[refresh] {
			t.Fatal("a token was issued twice")
		}
		seen[refresh] = true
		b.clock.Advance(29 * 24 * time.Hour) // the thirty days start at the last use
		refresh = b.rotate(t, refresh)
	}
	b.clock.Advance(30 * 24 * time.Hour)
	_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeSessionEnded)
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, bad := range []string{"", ".", "abc", "abc.", ".abc", "abc.def", strings.Repeat("a", 8000) + ".x"} {
		_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: bad})
		wantCode(t, err, sx.CodeSessionEnded)
		if err := b.Logout(t.Context(), bad); err != nil {
			t.Errorf("logout with %q: %v", bad, err)
		}
	}
}

// TestLostResponse presents a token again after the response with its successor
// was lost.
func TestLostResponse(t *testing.T) {
	t.Parallel()
	b := start(t)
	first := b.register(t, "ada").RefreshToken
	second := b.rotate(t, first)
	for range 3 {
		b.clock.Advance(19 * time.Second)
		if got := b.rotate(t, first); got != second {
			t.Fatal("a repeated request gets another token, which invalidates the first")
		}
	}
	b.clock.Advance(9 * time.Minute)
	third := b.rotate(t, second)
	// The grace period starts at each rotation and only covers the previous
	// token.
	if got := b.rotate(t, second); got != third {
		t.Fatal("the second lost response is not repeated")
	}
	_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: first})
	wantCode(t, err, sx.CodeSessionEnded)
}

// TestTokensUnderAWrongClock uses a token when the clock was wrong, and again when it is right:
// the minute in which that is allowed must not last until the wrong time.
func TestTokensUnderAWrongClock(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]sx.Code{3 * time.Minute: "", 20 * 24 * time.Hour: sx.CodeSessionEnded} {
		b := start(t)
		first := b.register(t, "ada").RefreshToken
		b.clock.Advance(ahead)
		b.rotate(t, first)
		b.clock.Advance(-ahead)
		if _, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: first}); sx.CodeOf(err) != want {
			t.Errorf("%v ahead: got %v, want %q", ahead, err, want)
		}
	}
}

// TestLostResponseMuchLater presents a token again, with a key, when the minute is over: its
// client was offline, or the server stopped, after the response was lost.
func TestLostResponseMuchLater(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first, again string // the keys
		accepted     bool
	}{
		"the same key":    {"a", "a", true},
		"another key":     {"a", "b", false},
		"no key any more": {"a", "", false},
		"no key at first": {"", "a", false},
		"no key":          {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			first := b.register(t, "ada").RefreshToken
			sent, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: first, IdempotencyKey: tt.first})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				b.clock.Advance(10 * 24 * time.Hour)
				got, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: first, IdempotencyKey: tt.again})
				if !tt.accepted {
					wantCode(t, err, sx.CodeSessionEnded)
				} else if err != nil || got.RefreshToken != sent.RefreshToken {
					t.Fatalf("got another token, or %v", err)
				}
			}
			if !tt.accepted {
				return
			}
			// Once the new token is used, the old one is that of a thief.
			b.rotate(t, sent.RefreshToken)
			_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: first, IdempotencyKey: tt.again})
			wantCode(t, err, sx.CodeSessionEnded)
		})
	}
}

// TestReuseEndsTheSession checks that a stolen token ends the sign-in for both,
// whether it is used before or after the owner's.
func TestReuseEndsTheSession(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		steal func(t *testing.T, b *fixture, first, second, third string) string
		pause time.Duration
	}{
		{"the previous token, a minute later", func(_ *testing.T, _ *fixture, _, second, _ string) string { return second }, time.Minute},
		{"an older one, immediately", func(_ *testing.T, _ *fixture, first, _, _ string) string { return first }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			reg := b.register(t, "ada")
			first := reg.RefreshToken
			second := b.rotate(t, first)
			third := b.rotate(t, second)
			b.clock.Advance(tt.pause)
			stolen := tt.steal(t, b, first, second, third)
			_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: stolen})
			wantCode(t, err, sx.CodeSessionEnded)
			_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: third})
			wantCode(t, err, sx.CodeSessionEnded)
			if got := b.logs.String(); !strings.Contains(got, "refresh token reused") || !strings.Contains(got, reg.User.ID) {
				t.Errorf("the log has no record of the reuse: %s", got)
			}
		})
	}
}

// TestMadeUpTokensDoNotEndTheSession checks that nobody can end a session by knowing its
// ID, and that parts of two real tokens do not form a valid one.
func TestMadeUpTokensDoNotEndTheSession(t *testing.T) {
	t.Parallel()
	b := start(t)
	first := b.register(t, "ada").RefreshToken
	current := b.rotate(t, first)
	foreign := b.register(t, "bob").RefreshToken
	id, secret, _ := strings.Cut(current, ".")
	_, old, _ := strings.Cut(first, ".")
	_, others, _ := strings.Cut(foreign, ".")
	for _, madeUp := range []string{
		"x", "_", strings.Repeat("A", len(secret)), secret[:len(secret)-1], secret + "A", secret[1:] + "A", secret + ".", " " + secret,
		secret[:len(secret)-1] + "_", // not the canonical end
		secret[:21] + old[21:], old[:21] + secret[21:], others, strings.Repeat("A", 10_000), "\x00",
	} {
		if madeUp == secret {
			continue
		}
		_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: id + "." + madeUp})
		wantCode(t, err, sx.CodeSessionEnded)
		if err := b.Logout(t.Context(), id+"."+madeUp); err != nil {
			t.Errorf("sign-out with %.50q: %v", madeUp, err)
		}
	}
	b.rotate(t, current)
	if got := b.logs.String(); strings.Contains(got, "refresh token reused") {
		t.Errorf("logged a reuse: %s", got)
	}
}

// TestParallelRefreshes has two programs of one user refresh at the same time;
// either response must let both continue.
func TestParallelRefreshes(t *testing.T) {
	t.Parallel()
	b := start(t)
	refresh := b.register(t, "ada").RefreshToken
	for range 5 {
		got := make([]string, 12)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				answer, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
				if err != nil {
					t.Error(err)
				}
				got[i] = answer.RefreshToken
			})
		}
		wg.Wait()
		for _, next := range got {
			if next != got[0] {
				t.Fatalf("parallel requests have different tokens: %v", got)
			}
		}
		refresh = got[0]
		b.clock.Advance(9 * time.Minute)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	b := start(t)
	first := b.register(t, "ada").RefreshToken
	second := b.rotate(t, first)
	id, _, _ := strings.Cut(second, ".")
	// The session's id, which access tokens contain, is not enough to end the
	// session.
	if err := b.Logout(t.Context(), id+".guessed"); err != nil {
		t.Fatal(err)
	}
	second = b.rotate(t, second)
	third := b.rotate(t, second)
	// The previous token, whose response was lost, is.
	if err := b.Logout(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: third})
	wantCode(t, err, sx.CodeSessionEnded)
}

// TestLostResponseAcrossAKeyChange covers a key rotation, in which two replicas
// sign with different keys for a while.
func TestLostResponseAcrossAKeyChange(t *testing.T) {
	t.Parallel()
	b := start(t)
	other := startOn(t, b.store, b.clock)
	first := b.register(t, "ada").RefreshToken
	b.rotate(t, first)
	second := other.rotate(t, first)
	if got := other.rotate(t, first); got != second {
		t.Fatal("the response is not repeated")
	}
	third := b.rotate(t, second)
	b.clock.Advance(2 * time.Minute)
	b.rotate(t, third)
}

// hooked is a real store with hooks that change its results.
type hooked struct {
	store.Sessions
	create  func(ctx context.Context, s sx.Session) error
	replace func(ctx context.Context, s sx.Session) error
	byID    func(ctx context.Context, id string) (sx.Session, error)
	delete  func(ctx context.Context, id string) error
	expired func(ctx context.Context, now time.Time) error
}

func (h *hooked) Create(ctx context.Context, s sx.Session) error {
	if h.create != nil {
		return h.create(ctx, s)
	}
	return h.Sessions.Create(ctx, s)
}

func (h *hooked) Replace(ctx context.Context, s sx.Session) error {
	if h.replace != nil {
		return h.replace(ctx, s)
	}
	return h.Sessions.Replace(ctx, s)
}

func (h *hooked) ByID(ctx context.Context, id string) (sx.Session, error) {
	if h.byID != nil {
		return h.byID(ctx, id)
	}
	return h.Sessions.ByID(ctx, id)
}

func (h *hooked) Delete(ctx context.Context, id string) error {
	if h.delete != nil {
		return h.delete(ctx, id)
	}
	return h.Sessions.Delete(ctx, id)
}

func (h *hooked) DeleteExpired(ctx context.Context, now time.Time) error {
	if h.expired != nil {
		return h.expired(ctx, now)
	}
	return h.Sessions.DeleteExpired(ctx, now)
}

func startHooked(t *testing.T) (*fixture, *hooked) {
	t.Helper()
	h := &hooked{}
	return start(t, func(c *auth.Config) { h.Sessions = c.Sessions; c.Sessions = h }), h
}

func TestLogoutWhileRefreshing(t *testing.T) {
	t.Parallel()
	b, h := startHooked(t)
	refresh := b.register(t, "ada").RefreshToken
	h.replace = func(ctx context.Context, s sx.Session) error {
		if err := h.Sessions.Delete(ctx, s.ID); err != nil {
			return err
		}
		return h.Sessions.Replace(ctx, s)
	}
	_, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeSessionEnded)
}

// TestStoreUnavailable checks that a failing store neither ends a sign-in nor
// looks like success.
func TestStoreUnavailable(t *testing.T) {
	t.Parallel()
	b, h := startHooked(t)
	refresh := b.register(t, "ada").RefreshToken
	unavailable := sx.NewError(sx.CodeUnavailable, "the store is unavailable").WithCause(errors.New("no route to host"))

	h.create = func(context.Context, sx.Session) error { return unavailable }
	_, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeUnavailable)
	h.create = nil

	h.byID = func(context.Context, string) (sx.Session, error) { return sx.Session{}, unavailable }
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeUnavailable)
	wantCode(t, b.Logout(t.Context(), refresh), sx.CodeUnavailable)
	h.byID = nil

	h.replace = func(context.Context, sx.Session) error { return unavailable }
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeUnavailable)
	h.replace = nil

	h.delete = func(context.Context, string) error { return unavailable }
	wantCode(t, b.Logout(t.Context(), refresh), sx.CodeUnavailable)
	current := b.rotate(t, b.rotate(t, refresh))
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh}) // the session cannot be deleted after a reuse
	wantCode(t, err, sx.CodeUnavailable)
	h.delete = nil

	if _, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: current}); err != nil {
		t.Fatalf("the sign-in did not survive: %v", err)
	}
	if !strings.Contains(b.logs.String(), "no route to host") {
		t.Error("the cause is not in the log")
	}

	h.expired = func(context.Context, time.Time) error { return unavailable }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.service.Run(ctx) }()
	testkit.Eventually(t, "the warning is logged", func() bool { return strings.Contains(b.logs.String(), "removing expired records failed") })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// brokenUsers is a store of users that returns an error, as when the user is
// gone or the store unreachable.
type brokenUsers struct {
	store.Users
	err error
}

func (u brokenUsers) ByID(context.Context, string) (sx.User, error)   { return sx.User{}, u.err }
func (u brokenUsers) ByName(context.Context, string) (sx.User, error) { return sx.User{}, u.err }

func TestUsersUnavailableOrGone(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	on := func(err error) *fixture {
		return startOn(t, b.store, b.clock, func(c *auth.Config) {
			c.Users, c.Signer = brokenUsers{b.store.Users, err}, b.signer
		})
	}
	unavailable := on(sx.NewError(sx.CodeUnavailable, "the store is unavailable"))
	_, err := unavailable.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeUnavailable)
	_, err = unavailable.Refresh(t.Context(), api.RefreshRequest{RefreshToken: reg.RefreshToken})
	wantCode(t, err, sx.CodeUnavailable)
	if res, _ := unavailable.send(t, http.MethodGet, api.PathMe, "", "Authorization", "Bearer "+reg.AccessToken); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("me: got %d", res.StatusCode)
	}
	// A refresh that failed midway can be repeated.
	refresh := b.rotate(t, reg.RefreshToken)

	gone := on(sx.NewError(sx.CodeNotFound, "user not found"))
	_, err = gone.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeSessionEnded)
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: refresh})
	wantCode(t, err, sx.CodeSessionEnded)
}

// TestDamagedHash checks that an unreadable password hash is an internal error,
// not a wrong password.
func TestDamagedHash(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	user, err := b.store.Users.ByName(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	user.PasswordHash = "damaged"
	if err := b.store.Users.Replace(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	_, err = b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeInternal)
}

// TestLostResponseAcrossKeyActivation repeats a request after all auth
// processes have switched to a new key at its time: the response must be the
// same as before.
func TestLostResponseAcrossKeyActivation(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *auth.Config) {
		keys := make([]token.Key, 2)
		for i := range keys {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			keys[i].Private = private
		}
		keys[1].From = c.Now().Add(10 * time.Second)
		var err error
		if c.Signer, err = token.NewSigner(keys, c.Now); err != nil {
			t.Fatal(err)
		}
	})
	first := b.register(t, "ada").RefreshToken
	b.clock.Advance(9 * time.Second)
	second := b.rotate(t, first)
	b.clock.Advance(2 * time.Second)
	if got := b.rotate(t, first); got != second {
		t.Fatal("the response is not repeated")
	}
	b.rotate(t, second)
}
