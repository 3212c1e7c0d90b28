package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// params are what the OWASP Password Storage Cheat Sheet asks of Argon2id at
// least: 19 MiB of memory, two iterations, one degree of parallelism. More
// would cost more memory for each sign-in; a hash carries its parameters, so
// they can be raised later.
func params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// dummyHash is a hash with the same parameters that no password is known for:
// comparing with it takes as long as comparing with a real one.
var dummyHash = fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", params().Memory, params().Iterations,
	params().Parallelism, strings.Repeat("A", 22), strings.Repeat("A", 43))

const (
	// maxConcurrentHashes bounds the memory: a wave of sign-ins waits in line.
	maxConcurrentHashes = 2
	// hashQueueTimeout is how long one waits in it.
	hashQueueTimeout = 15 * time.Second
)

// passwords hashes passwords and compares them with hashes.
type passwords struct{ slots chan struct{} }

func newPasswords() passwords { return passwords{make(chan struct{}, maxConcurrentHashes)} }

// hash gives the password's hash in PHC string format.
func (p passwords) hash(ctx context.Context, password string) (string, error) {
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := argon2id.CreateHash(normal(password), params())
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// match reports whether the password is the one of the hash.
func (p passwords) match(ctx context.Context, password, hash string) (bool, error) {
	if len(password) > api.MaxPassword {
		return false, nil // nobody has one, so this tells nothing of the account
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer p.release()
	ok, err := argon2id.ComparePasswordAndHash(normal(password), hash)
	if err != nil {
		return false, fmt.Errorf("read the stored password hash: %w", err)
	}
	return ok, nil
}

// normal is the password in Unicode's form C, since keyboards differ in whether
// an accented letter is one code point or two (NIST SP 800-63B section 3.1.1.2).
func normal(password string) string { return norm.NFC.String(password) }

func (p passwords) acquire(ctx context.Context) error {
	timer := time.NewTimer(hashQueueTimeout)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return sx.NewError(sx.CodeUnavailable, "too many people are signing in at once")
	}
}

func (p passwords) release() { <-p.slots }
