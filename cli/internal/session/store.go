package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/sx"
)

// Session is the stored session of one account.
type Session struct {
	User         string    `json:"user"` // the account's name on the server
	AccessToken  string    `json:"access_token,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	RenewalKey   string    `json:"renewal_key,omitempty"` // of a renewal that was requested; see api.RefreshRequest
	Expires      time.Time `json:"expires,omitzero"`      // of the access token, by this machine's clock
}

// Key identifies the session of an account on a server. Server is config.Config's
// Account.
type Key struct{ Server, User string }

// String is the key's name in the keyring.
func (k Key) String() string { return k.User + " at " + k.Server }

// SignIn describes a stored session.
type SignIn struct {
	Key
	Current bool // of its server
	Keyring bool // the tokens are in the system's keyring, not in the file
}

// Keyring stores secrets by name. Get returns ErrNoSession for an unknown one.
type Keyring interface {
	Get(name string) (string, error)
	Set(name, secret string) error
	Delete(name string) error
}

// ErrNoSession says that no session is stored for the account.
var ErrNoSession = errors.New("no session is stored")

// Store stores the sessions of several accounts on several servers, and which account
// of each server is in use. Several processes may use it at once.
type Store struct {
	keyring *guarded // nil if only the file is used
	file    file
	lock    string
}

// OpenStore returns a store whose file is in dir; the store of dir "" is empty and
// refuses changes. The keyring may be nil.
func OpenStore(dir string, keyring Keyring) *Store {
	s := &Store{}
	if dir != "" {
		s.file.path, s.lock = filepath.Join(dir, "credentials.json"), filepath.Join(dir, "credentials.lock")
	}
	if keyring != nil {
		s.keyring = &guarded{keyring: keyring}
	}
	return s
}

// Current returns the name of the account in use on a server, or "".
func (s *Store) Current(server string) (user string, err error) {
	all, err := s.file.read()
	if err != nil || all.Servers[server] == nil {
		return "", err
	}
	return all.Servers[server].Current, nil
}

// List returns all stored sessions, ordered by server and name.
func (s *Store) List() (list []SignIn, err error) {
	all, err := s.file.read()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(all.Servers)) {
		at := all.at(name)
		for _, user := range slices.Sorted(maps.Keys(at.Accounts)) {
			list = append(list, SignIn{
				Key: Key{name, user}, Current: user == at.Current, Keyring: at.Accounts[user].RefreshToken == "",
			})
		}
	}
	return list, nil
}

// Get returns the session with a key, or ErrNoSession.
//
// A session in the file is newer than one in the keyring: it is there because the
// keyring refused it, and it is removed once the keyring accepts one.
func (s *Store) Get(key Key) (Session, error) {
	all, err := s.file.read()
	if err != nil {
		return Session{}, err
	}
	return s.get(all, key)
}

func (s *Store) get(all content, key Key) (Session, error) {
	in, ok := all.at(key.Server).Accounts[key.User]
	switch {
	case !ok:
		return Session{}, ErrNoSession
	case in.RefreshToken != "":
		return in, nil
	case s.keyring == nil:
		return Session{}, ErrNoSession
	}
	secret, err := s.keyring.get(key.String())
	if err != nil {
		return Session{}, ErrNoSession // a keyring that does not work counts as empty
	}
	if err := json.Unmarshal([]byte(secret), &in); err != nil {
		return Session{}, ErrNoSession
	}
	return in, nil
}

// SignIn stores a session and makes its account the one in use on the server.
func (s *Store) SignIn(ctx context.Context, server string, in Session) error {
	return s.locked(ctx, func(all content) error {
		all.at(server).Current = in.User
		return s.put(all, Key{server, in.User}, &in)
	})
}

// SignOut removes the session with a key and returns it. If its account was in use,
// none is. It returns ErrNoSession if there is none.
func (s *Store) SignOut(ctx context.Context, key Key) (in Session, err error) {
	err = s.locked(ctx, func(all content) error {
		at := all.at(key.Server)
		stored, ok := at.Accounts[key.User]
		if in, err = s.get(all, key); err != nil {
			in = stored
		}
		if at.Current == key.User {
			at.Current = ""
		} else if !ok {
			return ErrNoSession
		}
		if err := s.put(all, key, nil); err != nil || ok {
			return err
		}
		return ErrNoSession
	})
	return in, err
}

// Use makes an account the one in use on the server; with the name "", none is. It
// returns ErrNoSession if the account is not signed in.
func (s *Store) Use(ctx context.Context, key Key) error {
	return s.locked(ctx, func(all content) error {
		at := all.at(key.Server)
		if _, ok := at.Accounts[key.User]; !ok && key.User != "" {
			return ErrNoSession
		}
		at.Current = key.User
		return s.file.write(all)
	})
}

// Update changes the session with a key while it holds the store's lock. change gets
// the stored session, or nil, and returns the one to store, or nil to delete it; the
// account stays the one in use. If change also returns an error, its session is stored
// and the error returned.
func (s *Store) Update(ctx context.Context, key Key, change func(*Session) (*Session, error)) error {
	return s.locked(ctx, func(all content) error {
		var stored *Session
		switch in, err := s.get(all, key); {
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
		if before == nil && next == nil || before != nil && next != nil && *before == *next {
			return changeErr
		}
		return errors.Join(changeErr, s.put(all, key, next))
	})
}

// lockPause is the time between two tries to take a lock that another process holds.
const lockPause = 20 * time.Millisecond

// locked calls change with the content of the file while it holds the store's lock.
func (s *Store) locked(ctx context.Context, change func(content) error) error {
	if s.file.path == "" {
		return sx.NewError(sx.CodeInvalid, "cannot store the session: there is no home directory").
			WithHint("set HOME to its path, or use a personal token in SX_TOKEN")
	}
	if err := os.MkdirAll(filepath.Dir(s.lock), 0o700); err != nil {
		return fmt.Errorf("create the session directory: %w", err)
	}
	lock := flock.New(s.lock, flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return fmt.Errorf("lock the sessions: %w", err)
	}
	defer func() { _ = lock.Close() }()
	all, err := s.file.read()
	if err != nil {
		return err
	}
	return change(all)
}

// put stores a session, or removes it if it is nil, and writes the file.
func (s *Store) put(all content, key Key, in *Session) error {
	at := all.at(key.Server)
	if in == nil {
		if s.keyring != nil {
			_ = s.keyring.delete(key.String()) // fails if there is none
		}
		delete(at.Accounts, key.User)
		return s.file.write(all)
	}
	at.Accounts[key.User] = *in
	if s.keyring != nil {
		secret, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the session: %w", err)
		}
		if s.keyring.set(key.String(), string(secret)) == nil {
			at.Accounts[key.User] = Session{User: in.User} // the tokens are in the keyring
		}
	}
	return s.file.write(all)
}

// StoreFor opens the store that the settings select.
func StoreFor(c *config.Config) *Store {
	if c.Credentials == config.CredentialsFile {
		return OpenStore(c.Dir, nil)
	}
	return OpenStore(c.Dir, SystemKeyring{})
}
