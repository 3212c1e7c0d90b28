package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Key is a signing key.
type Key struct {
	Private ed25519.PrivateKey
	From    time.Time // when it begins to sign; the zero time for one that may always
}

// nameTime is how a file's name says when its key begins to sign, in UTC.
const nameTime = "20060102T150405Z"

// LoadKeys reads all private keys of a folder: the files *.pem, each an Ed25519
// key in PKCS #8, as "openssl genpkey -algorithm ed25519" writes it. They come
// in the order of their names, and the last one signs whose time has come: a
// name like 20260301T120000Z.pem says when, any other name that it may at once.
// (The names decide and not the times of the files, because a mounted Kubernetes
// Secret gives all its files the same time.)
//
// # Changing the key without signing anyone out
//
// All keys of the folder are published, also one whose time has not come. So a
// new key is known everywhere before the first token is signed with it, however
// many auths there are and in whatever order they start anew:
//
//  1. Add a key that begins to sign in an hour:
//     openssl genpkey -algorithm ed25519 -out "$(date -u -d '+1 hour' +%Y%m%dT%H%M%SZ).pem"
//  2. Restart every auth within the hour, at least five minutes before it is
//     over: that is how long a gateway may go on with the keys it has. (It asks
//     at once when it sees a token with a key that it does not know.) All auths
//     change to the new key at its time, by their clocks.
//  3. A quarter of an hour after that no token of the old key is good any more.
//     Remove the old file and restart every auth again.
//
// When a key was stolen there is no time for that: replace it by one whose name
// is the present time, and restart every auth. Gateways refuse tokens of the old
// key within five minutes, and sx gets new ones by itself; nobody has to sign in.
//
// When the folder has no key, or is not there, one is made and kept in it with
// mode 0600, named by now. A file that holds no such key, and a folder that
// cannot be read or written, is an *sx.Error of code invalid.
func LoadKeys(dir string, now time.Time) ([]Key, error) {
	names, err := keyFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		key, err := makeKey(dir, now)
		if err != nil {
			return nil, err
		}
		return []Key{{Private: key}}, nil
	}
	keys := make([]Key, 0, len(names))
	for _, name := range names {
		key, err := readKey(name)
		if err != nil {
			return nil, err
		}
		// Another name gives the zero time.
		from, _ := time.Parse(nameTime, strings.TrimSuffix(filepath.Base(name), ".pem"))
		keys = append(keys, Key{key, from})
	}
	return keys, nil
}

// keyFiles gives the paths of the key files in the order of their names.
func keyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, keyError(dir, err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && filepath.Ext(e.Name()) == ".pem" {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

func readKey(name string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, keyError(name, err)
	}
	bad := sx.NewError(sx.CodeInvalid, "%s holds no Ed25519 private key in PKCS #8", name).
		WithHint("remove it, or replace it with one made by: openssl genpkey -algorithm ed25519 -out %s", name)
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, bad
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad.WithCause(err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, bad
	}
	return key, nil
}

// makeKey makes a key and stores it so that a crash leaves either all of it or nothing.
func makeKey(dir string, now time.Time) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, keyError(dir, err)
	}
	// CreateTemp gives mode 0600.
	f, err := os.CreateTemp(dir, ".new-key-*")
	if err != nil {
		return nil, keyError(dir, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, now.UTC().Format(nameTime)+".pem"))
	}
	if err != nil {
		return nil, keyError(dir, err)
	}
	return key, nil
}

func keyError(path string, err error) error {
	return sx.NewError(sx.CodeInvalid, "the signing keys in %s cannot be used: %v", path, err).
		WithHint("make the folder readable to the server, and writable if it holds no key yet").WithCause(err)
}
