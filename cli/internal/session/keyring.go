package session

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/zalando/go-keyring"
)

const service = "soundextract"

// SystemKeyring is the keyring of the operating system: Secret Service, Keychain or
// Credential Manager.
type SystemKeyring struct{}

var _ Keyring = SystemKeyring{}

// Get implements Keyring.
func (SystemKeyring) Get(account string) (string, error) {
	secret, err := keyring.Get(service, account)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", ErrNoSession
	}
	return secret, err
}

// Set implements Keyring.
func (SystemKeyring) Set(account, secret string) error { return keyring.Set(service, account, secret) }

// Delete implements Keyring.
func (SystemKeyring) Delete(account string) error { return keyring.Delete(service, account) }

// keyringTimeout bounds one call of the keyring, which otherwise could wait forever for
// someone to answer its prompt.
const keyringTimeout = 2 * time.Second

var errUnresponsive = errors.New("the keyring does not respond")

// guarded gives up on a keyring that hangs, and does not call it again.
type guarded struct {
	keyring Keyring
	hangs   atomic.Bool
}

func (g *guarded) get(account string) (secret string, err error) {
	return g.try(func() (string, error) { return g.keyring.Get(account) })
}

func (g *guarded) set(account, secret string) error {
	_, err := g.try(func() (string, error) { return "", g.keyring.Set(account, secret) })
	return err
}

func (g *guarded) delete(account string) error {
	_, err := g.try(func() (string, error) { return "", g.keyring.Delete(account) })
	return err
}

func (g *guarded) try(call func() (string, error)) (string, error) {
	if g.hangs.Load() {
		return "", errUnresponsive
	}
	type answer struct {
		secret string
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		secret, err := call()
		done <- answer{secret, err}
	}()
	timer := time.NewTimer(keyringTimeout)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.secret, a.err
	case <-timer.C:
		g.hangs.Store(true)
		return "", errUnresponsive
	}
}
