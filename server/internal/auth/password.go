package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"

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

// passwords hashes passwords and compares them with hashes.
type passwords struct{ strangers, known *fairSlots }

func newPasswords() passwords {
	return passwords{newFairSlots(maxConcurrentHashes), newFairSlots(knownHashes)}
}

// slots returns those of the origin: networks that the account knows have their own, so
// that strangers do not delay them.
func (p passwords) slots(from origin) *fairSlots {
	if from.known {
		return p.known
	}
	return p.strangers
}

// hash returns the password's hash in PHC string format.
func (p passwords) hash(ctx context.Context, from origin, password string) (string, error) {
	slots := p.slots(from)
	if err := slots.acquire(ctx, from.network); err != nil {
		return "", err
	}
	defer slots.release()
	hash, err := argon2id.CreateHash(normalize(password), params())
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// match reports whether the hash is that of the password.
func (p passwords) match(ctx context.Context, from origin, password, hash string) (bool, error) {
	if len(password) > api.MaxPassword {
		return false, nil // no account has such a password
	}
	slots := p.slots(from)
	if err := slots.acquire(ctx, from.network); err != nil {
		return false, err
	}
	defer slots.release()
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

// checkPasswords returns an error if the account with the name may not use a password.
// Those that the settings name keep theirs, so that the operator is never locked out.
func (s *Service) checkPasswords(name string) error {
	if _, reserved := s.reserved(name); !s.cfg.NoPasswords || reserved {
		return nil
	}
	return sx.NewError(sx.CodeForbidden, "this server does not accept passwords").WithHint("sign in through your organisation")
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
	return s.changeOwn(w, r, sx.AuditChangePassword, func(user sx.User, from origin) error {
		if err := s.checkPasswords(user.Name); err != nil {
			return err
		}
		// The owner's token is worth more than the password, and its holder may have none
		// or have forgotten it.
		if raw, _ := token.Bearer(r.Header); !token.IsOwner(raw) {
			if err := s.checkOwnPassword(r.Context(), from, user, in.OldPassword); err != nil {
				return err
			}
		}
		return s.setPassword(w, r, from, user, in.NewPassword)
	})
}

// setPassword replaces the password that the user had when the request arrived.
func (s *Service) setPassword(w http.ResponseWriter, r *http.Request, from origin, user sx.User, password string) error {
	if err := checkPassword(user.Name, password); err != nil {
		return err
	}
	hash, err := s.passwords.hash(r.Context(), from, password)
	if err != nil {
		return err
	}
	changed, err := store.Update(r.Context(), user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		if u.Epoch != user.Epoch || u.PasswordHash != user.PasswordHash || u.Blocked() {
			return sx.NewError(sx.CodeConflict, "the account was changed by another request at the same time").
				WithHint("sign in, then try again if that is still needed")
		}
		u.PasswordHash, u.Reset = hash, sx.ResetCode{} // a code for a forgotten one is of no use now
		u.Epoch++
		return nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "password changed", "account", changed.ID)
	return s.signIn(w, r, changed)
}
