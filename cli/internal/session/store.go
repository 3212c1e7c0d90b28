package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/soundextract/sx/cli/internal/config"
)

// SignIn is what one account's sign-in is made of.
type SignIn struct {
	User         string    `json:"user"` // the account's name on the server
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	Expires      time.Time `json:"expires"` // of the access token, by this machine's clock
}

// Keyring is the part of a system's keyring that is needed. Get returns
// ErrNoSignIn for an account that it does not know.
type Keyring interface {
	Get(account string) (string, error)
	Set(account, secret string) error
	Delete(account string) error
}

// ErrNoSignIn says that there is no sign-in for the account.
var ErrNoSignIn = errors.New("no session is stored")

// Store keeps sign-ins by account. Several processes may use it at once.
type Store struct {
	keyring *guarded // nil when only the file is to be used
	file    file
	lock    string
}

// OpenStore makes a store whose file is in dir. The keyring may be nil.
func OpenStore(dir string, keyring Keyring) *Store {
	s := &Store{
		file: file{path: filepath.Join(dir, "credentials.json")},
		lock: filepath.Join(dir, "credentials.lock"),
	}
	if keyring != nil {
		s.keyring = &guarded{ring: keyring}
	}
	return s
}

// Get finds an account's sign-in, ErrNoSignIn when there is none.
//
// A sign-in in the file is the newer one: it is there because the keyring
// refused it, and it is removed as soon as the keyring takes one.
func (s *Store) Get(account string) (SignIn, error) {
	in, err := s.file.get(account)
	if !errors.Is(err, ErrNoSignIn) || s.keyring == nil {
		return in, err
	}
	secret, err := s.keyring.get(account)
	if err != nil {
		return SignIn{}, ErrNoSignIn // a keyring that does not work is as good as an empty one
	}
	if err := json.Unmarshal([]byte(secret), &in); err != nil {
		return SignIn{}, ErrNoSignIn
	}
	return in, nil
}

// Update changes an account's sign-in while no other process can. The function
// gets the stored one (nil when there is none) and returns what to store, nil
// to forget it. When it returns an error too, its sign-in is stored and the
// error returned.
func (s *Store) Update(ctx context.Context, account string, change func(*SignIn) (*SignIn, error)) error {
	if err := os.MkdirAll(filepath.Dir(s.lock), 0o700); err != nil {
		return fmt.Errorf("create the session directory: %w", err)
	}
	lock := flock.New(s.lock, flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return fmt.Errorf("lock the sessions: %w", err)
	}
	defer func() { _ = lock.Close() }()

	var stored *SignIn
	switch in, err := s.Get(account); {
	case err == nil:
		stored = &in
	case !errors.Is(err, ErrNoSignIn):
		return err
	}
	before := stored
	if before != nil {
		c := *before
		stored = &c
	}
	next, changeErr := change(stored)
	if err := s.put(account, before, next); err != nil {
		return errors.Join(changeErr, err)
	}
	return changeErr
}

// lockPause is how often a lock that another process holds is asked for.
const lockPause = 20 * time.Millisecond

func (s *Store) put(account string, before, next *SignIn) error {
	switch {
	case next == nil && before == nil:
		return nil
	case next == nil:
		if s.keyring != nil {
			_ = s.keyring.delete(account) // not there is what was wanted
		}
		return s.file.put(account, nil)
	case before != nil && *before == *next:
		return nil
	}
	secret, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the session: %w", err)
	}
	if s.keyring != nil && s.keyring.set(account, string(secret)) == nil {
		return s.file.put(account, nil)
	}
	return s.file.put(account, next)
}

// StoreFor opens the store that the settings ask for.
func StoreFor(c *config.Config) *Store {
	if c.Credentials == config.CredentialsFile {
		return OpenStore(c.Dir, nil)
	}
	return OpenStore(c.Dir, SystemKeyring{})
}
