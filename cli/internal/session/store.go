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

// Session is the stored session of one account.
type Session struct {
	User         string    `json:"user"` // the account's name on the server
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	Expires      time.Time `json:"expires"` // of the access token, by this machine's clock
}

// Keyring stores secrets by account. Get returns ErrNoSession for an unknown
// account.
type Keyring interface {
	Get(account string) (string, error)
	Set(account, secret string) error
	Delete(account string) error
}

// ErrNoSession says that no session is stored for the account.
var ErrNoSession = errors.New("no session is stored")

// Store stores sessions by account. Several processes may use it at once.
type Store struct {
	keyring *guarded // nil if only the file is used
	file    file
	lock    string
}

// OpenStore returns a store whose file is in dir. The keyring may be nil.
func OpenStore(dir string, keyring Keyring) *Store {
	s := &Store{
		file: file{path: filepath.Join(dir, "credentials.json")},
		lock: filepath.Join(dir, "credentials.lock"),
	}
	if keyring != nil {
		s.keyring = &guarded{keyring: keyring}
	}
	return s
}

// Get returns an account's session, or ErrNoSession.
//
// A session in the file is newer than one in the keyring: it is there because the
// keyring refused it, and it is removed once the keyring accepts one.
func (s *Store) Get(account string) (Session, error) {
	in, err := s.file.get(account)
	if !errors.Is(err, ErrNoSession) || s.keyring == nil {
		return in, err
	}
	secret, err := s.keyring.get(account)
	if err != nil {
		return Session{}, ErrNoSession // a keyring that does not work counts as empty
	}
	if err := json.Unmarshal([]byte(secret), &in); err != nil {
		return Session{}, ErrNoSession
	}
	return in, nil
}

// Update changes an account's session while it holds the store's lock. change gets
// the stored session, or nil, and returns the one to store, or nil to delete it. If
// change also returns an error, its session is stored and the error returned.
func (s *Store) Update(ctx context.Context, account string, change func(*Session) (*Session, error)) error {
	if err := os.MkdirAll(filepath.Dir(s.lock), 0o700); err != nil {
		return fmt.Errorf("create the session directory: %w", err)
	}
	lock := flock.New(s.lock, flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return fmt.Errorf("lock the sessions: %w", err)
	}
	defer func() { _ = lock.Close() }()

	var stored *Session
	switch in, err := s.Get(account); {
	case err == nil:
		stored = &in
	case !errors.Is(err, ErrNoSession):
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

// lockPause is the time between two tries to take a lock that another process holds.
const lockPause = 20 * time.Millisecond

func (s *Store) put(account string, before, next *Session) error {
	switch {
	case next == nil && before == nil:
		return nil
	case next == nil:
		if s.keyring != nil {
			_ = s.keyring.delete(account) // fails if there is none
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

// StoreFor opens the store that the settings select.
func StoreFor(c *config.Config) *Store {
	if c.Credentials == config.CredentialsFile {
		return OpenStore(c.Dir, nil)
	}
	return OpenStore(c.Dir, SystemKeyring{})
}
