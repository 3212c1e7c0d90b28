package session_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/server/sx"
)

// memoryKeyring is a keyring in memory that fails or hangs on demand.
type memoryKeyring struct {
	mu      sync.Mutex
	secrets map[string]string
	fail    error
	hang    chan struct{}
	asked   int
}

func (r *memoryKeyring) enter() error {
	r.mu.Lock()
	r.asked++
	hang, fail := r.hang, r.fail
	r.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return fail
}

func (r *memoryKeyring) Get(account string) (string, error) {
	if err := r.enter(); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.secrets[account]; ok {
		return s, nil
	}
	return "", session.ErrNoSession
}

func (r *memoryKeyring) Set(account, secret string) error {
	if err := r.enter(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets = map[string]string{}
	}
	r.secrets[account] = secret
	return nil
}

func (r *memoryKeyring) Delete(account string) error {
	if err := r.enter(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.secrets, account)
	return nil
}

func signIn(token string) session.Session {
	return session.Session{User: "anna", AccessToken: token, RefreshToken: "r-" + token, Expires: time.Now().UTC().Round(0)}
}

// key is the key of anna's session on a server.
func key(server string) session.Key { return session.Key{Server: server, User: "anna"} }

func put(t *testing.T, s *session.Store, server string, in *session.Session) {
	t.Helper()
	err := s.Update(t.Context(), key(server), func(*session.Session) (*session.Session, error) { return in, nil })
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s *session.Store, server string, in session.Session) {
	t.Helper()
	got, err := s.Get(key(server))
	if err != nil || got != in {
		t.Errorf("got %v, %v, want %v", got, err, in)
	}
}

func wantNone(t *testing.T, s *session.Store, server string) {
	t.Helper()
	if got, err := s.Get(key(server)); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("got %v, %v, want none", got, err)
	}
}

func TestStoreKeepsAndForgets(t *testing.T) {
	t.Parallel()
	for name, keyring := range map[string]session.Keyring{
		"file":           nil,
		"keyring":        &memoryKeyring{},
		"broken keyring": &memoryKeyring{fail: errors.New("no secret service")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := session.OpenStore(dir, keyring)
			a, b := signIn("a"), signIn("b")
			wantNone(t, s, "local")
			put(t, s, "local", &a)
			put(t, s, "https://h", &b)
			want(t, s, "local", a)
			want(t, session.OpenStore(dir, keyring), "https://h", b)
			put(t, s, "local", &b)
			want(t, s, "local", b)
			put(t, s, "local", nil)
			put(t, s, "local", nil)
			wantNone(t, s, "local")
			want(t, s, "https://h", b)
			raw, err := os.ReadFile(filepath.Join(dir, "credentials.json"))
			if got := strings.Contains(string(raw), b.RefreshToken); err != nil || got != (name != "keyring") {
				t.Errorf("the file contains the token: %t, %v", got, err)
			}
		})
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "credentials.json")
	s, in := session.OpenStore(dir, nil), signIn("a")
	put(t, s, "local", &in)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(key("local")); err == nil || !strings.Contains(sx.AsError(err).Hint, "chmod 600") {
		t.Errorf("got %v, want an error with a hint", err)
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "credentials.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := session.OpenStore(dir, nil).Get(key("local"))
	if sx.CodeOf(err) != sx.CodeInvalid || cmdutil.HintOf(err, nil) != "remove the file, then sign in again with: sx login" {
		t.Errorf("got %v", err)
	}
}

func TestKeyringThatFailsForAWhileLeavesNothingStale(t *testing.T) {
	t.Parallel()
	keyring := &memoryKeyring{}
	s := session.OpenStore(t.TempDir(), keyring)
	old, middle, newest := signIn("old"), signIn("middle"), signIn("newest")
	put(t, s, "local", &old)
	keyring.fail = errors.New("locked")
	put(t, s, "local", &middle)
	keyring.fail = nil
	want(t, s, "local", middle)
	put(t, s, "local", &newest)
	want(t, s, "local", newest)
}

func TestHangingKeyring(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keyring := &memoryKeyring{hang: make(chan struct{})}
		defer close(keyring.hang)
		s, in := session.OpenStore(t.TempDir(), keyring), signIn("a")
		start := time.Now()
		put(t, s, "local", &in)
		want(t, s, "local", in)
		put(t, s, "local", nil)
		wantNone(t, s, "local")
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
		keyring.mu.Lock()
		defer keyring.mu.Unlock()
		if keyring.asked != 1 {
			t.Errorf("the keyring was called %d times, want once", keyring.asked)
		}
	})
}

func TestUpdateStoresAlsoWithAnError(t *testing.T) {
	t.Parallel()
	s, in := session.OpenStore(t.TempDir(), nil), signIn("a")
	put(t, s, "local", &in)
	refused := errors.New("refused")
	err := s.Update(t.Context(), key("local"), func(got *session.Session) (*session.Session, error) {
		if got == nil || *got != in {
			t.Errorf("got %v, want %v", got, in)
		}
		return nil, refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v, want the function's error", err)
	}
	wantNone(t, s, "local")
}

func TestUpdateWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			err := session.OpenStore(dir, nil).Update(t.Context(), key("local"), func(in *session.Session) (*session.Session, error) {
				if in == nil {
					in = &session.Session{RefreshToken: "r"}
				}
				in.AccessToken += "x"
				return in, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if in, err := session.OpenStore(dir, nil).Get(key("local")); err != nil || in.AccessToken != "xxxxxxxx" {
		t.Errorf("got %v, %v, want all eight changes", in, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err := session.OpenStore(dir, nil).Update(t.Context(), key("local"), func(*session.Session) (*session.Session, error) {
		cancel()
		return nil, session.OpenStore(dir, nil).Update(ctx, key("local"), func(*session.Session) (*session.Session, error) {
			t.Error("two changes at once")
			return nil, nil
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestSystemKeyring(t *testing.T) {
	keyring.MockInit()
	s, in := session.OpenStore(t.TempDir(), session.SystemKeyring{}), signIn("a")
	wantNone(t, s, "local")
	put(t, s, "local", &in)
	want(t, s, "local", in)
	put(t, s, "local", nil)
	wantNone(t, s, "local")
}

func TestAccountsOfServers(t *testing.T) {
	t.Parallel()
	for name, keyring := range map[string]session.Keyring{"file": nil, "keyring": &memoryKeyring{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, s := t.Context(), session.OpenStore(t.TempDir(), keyring)
			in := func(user string) session.Session {
				return session.Session{User: user, AccessToken: "a-" + user, RefreshToken: "r-" + user}
			}
			current := func(server, want string) {
				t.Helper()
				if got, err := s.Current(server); err != nil || got != want {
					t.Errorf("in use on %s: %q, %v, want %q", server, got, err, want)
				}
			}
			for server, users := range map[string][]string{"one": {"anna", "bob"}, "two": {"anna"}} {
				for _, user := range users {
					if err := s.SignIn(ctx, server, in(user)); err != nil {
						t.Fatal(err)
					}
				}
			}
			current("one", "bob") // the last one
			if got, err := s.Get(session.Key{Server: "one", User: "anna"}); err != nil || got != in("anna") {
				t.Errorf("anna's session was replaced: %+v, %v", got, err)
			}
			if err := s.Use(ctx, session.Key{Server: "one", User: "carl"}); !errors.Is(err, session.ErrNoSession) {
				t.Errorf("got %v", err)
			}
			if err := s.Use(ctx, session.Key{Server: "one", User: "anna"}); err != nil {
				t.Fatal(err)
			}
			current("one", "anna")
			list, err := s.List()
			want := []session.SignIn{
				{Key: session.Key{Server: "one", User: "anna"}, Current: true, Keyring: keyring != nil},
				{Key: session.Key{Server: "one", User: "bob"}, Keyring: keyring != nil},
				{Key: session.Key{Server: "two", User: "anna"}, Current: true, Keyring: keyring != nil},
			}
			if err != nil || !slices.Equal(list, want) {
				t.Errorf("got %+v, %v, want %+v", list, err, want)
			}
			if got, err := s.SignOut(ctx, session.Key{Server: "one", User: "anna"}); err != nil || got != in("anna") {
				t.Errorf("signed out %+v, %v", got, err)
			}
			current("one", "") // bob is used only if the user switches to it
			current("two", "anna")
			if _, err := s.SignOut(ctx, session.Key{Server: "one", User: "anna"}); !errors.Is(err, session.ErrNoSession) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestStoreWithoutDirectory(t *testing.T) {
	t.Parallel()
	s := session.OpenStore("", nil)
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if err := s.SignIn(t.Context(), "one", session.Session{User: "anna"}); sx.CodeOf(err) != sx.CodeInvalid || sx.AsError(err).Hint == "" {
		t.Errorf("got %v", err)
	}
}
