package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// params are the minimum for Argon2id in the OWASP Password Storage Cheat Sheet:
// 19 MiB of memory, two iterations, a parallelism of one. More would cost more
// memory for each sign-in. A hash contains its parameters, so they can be
// raised later.
func params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// dummyHash is a hash with the same parameters and no known password. Comparing
// with it takes as long as with a real one, which hides which names exist.
var dummyHash = fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", params().Memory, params().Iterations,
	params().Parallelism, strings.Repeat("A", 22), strings.Repeat("A", 43))

const (
	maxConcurrentHashes = 2 // bounds the memory
	hashQueueTimeout    = 15 * time.Second
)

// passwords hashes passwords and compares them with hashes.
type passwords struct{ slots chan struct{} }

func newPasswords() passwords { return passwords{make(chan struct{}, maxConcurrentHashes)} }

// hash returns the password's hash in PHC string format.
func (p passwords) hash(ctx context.Context, password string) (string, error) {
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := argon2id.CreateHash(normalize(password), params())
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// match reports whether the hash is that of the password.
func (p passwords) match(ctx context.Context, password, hash string) (bool, error) {
	if len(password) > api.MaxPassword {
		return false, nil // no account has such a password
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer p.release()
	ok, err := argon2id.ComparePasswordAndHash(normalize(password), hash)
	if err != nil {
		return false, fmt.Errorf("read the stored password hash: %w", err)
	}
	return ok, nil
}

// normalize returns the password in Unicode's form C, because keyboards differ in
// whether an accented letter is one code point or two (NIST SP 800-63B section
// 3.1.1.2).
func normalize(password string) string { return norm.NFC.String(password) }

func (p passwords) acquire(ctx context.Context) error {
	timer := time.NewTimer(hashQueueTimeout)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return sx.NewError(sx.CodeUnavailable, "too many sign-ins at the same time")
	}
}

func (p passwords) release() { <-p.slots }

// checkPassword returns an *sx.Error of code invalid for a password that is not
// accepted. It counts bytes; the messages say characters.
func checkPassword(name, password string) error {
	switch {
	case len(password) < api.MinPassword:
		return sx.NewError(sx.CodeInvalid, "the password is too short").
			WithHint("use at least %d characters; four unrelated words make a good one", api.MinPassword)
	case len(password) > api.MaxPassword:
		return sx.NewError(sx.CodeInvalid, "the password is too long").
			WithHint("use at most %d characters", api.MaxPassword)
	case strings.EqualFold(strings.TrimSpace(password), name):
		return sx.NewError(sx.CodeInvalid, "the password is the same as the account's name").
			WithHint("choose one that nobody can guess; four unrelated words make a good one")
	default:
		return nil
	}
}

// changePassword ends all sign-ins of the account, including those of an
// attacker, by raising its epoch in the same compare-and-set as the password,
// and signs the caller in again. Personal tokens stay valid; they are revoked
// one by one.
func (s *Service) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in api.PasswordChange
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	if err := s.limit(w, r, user.Name); err != nil {
		return err
	}
	if err := s.checkOldPassword(r, user, in.OldPassword); err != nil {
		return err
	}
	s.byName.reset(user.Name)
	if err := checkPassword(user.Name, in.NewPassword); err != nil {
		return err
	}
	if user.PasswordHash, err = s.passwords.hash(r.Context(), in.NewPassword); err != nil {
		return err
	}
	user.Epoch++
	err = s.cfg.Users.Replace(r.Context(), user)
	if errors.Is(err, store.ErrStale) { // most likely by another change of the password
		return sx.NewError(sx.CodeConflict, "the account was changed by another request at the same time").
			WithHint("sign in, then try again if that is still needed")
	}
	if err != nil {
		return err
	}
	user.Rev++
	s.cfg.Log.InfoContext(r.Context(), "password changed")
	return s.signIn(w, r, user)
}

// checkOldPassword checks that the caller knows the password. The owner's token is
// worth more than the password, and its holder may have none or have forgotten it.
func (s *Service) checkOldPassword(r *http.Request, user sx.User, password string) error {
	if raw, _ := token.Bearer(r.Header); token.IsOwner(raw) {
		return nil
	}
	if user.PasswordHash != "" {
		ok, err := s.passwords.match(r.Context(), password, user.PasswordHash)
		if err != nil || ok {
			return err
		}
	}
	return sx.NewError(sx.CodeBadCredentials, "the old password is wrong").
		WithHint("enter the password that you currently sign in with")
}
