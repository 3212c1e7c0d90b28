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

	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/sx"
)

// Key is a signing key.
type Key struct {
	Private ed25519.PrivateKey
	From    time.Time // when it starts to sign; zero if it may sign at any time
}

// nameTime is the format of the time in a file's name, in UTC.
const nameTime = "20060102T150405Z"

// LoadKeys reads all private keys in a directory: the files *.pem, each with an
// Ed25519 key in PKCS #8, as "openssl genpkey -algorithm ed25519" writes it. The
// keys are in the order of the files' names, and the last one whose time has come
// signs. A name such as 20260301T120000Z.pem specifies that time; with any
// other name, the key may sign immediately. (The times of the files do not
// matter, because a mounted Kubernetes Secret sets the same time on all its
// files.)
//
// # Rotating the key without signing anyone out
//
// All keys in the directory are published, including those whose time has not
// come. So a new key is known everywhere before it signs the first token,
// whatever the number of auth processes and the order of their restarts:
//
//  1. Add a key that starts to sign in an hour:
//     openssl genpkey -algorithm ed25519 -out "$(date -u -d '+1 hour' +%Y%m%dT%H%M%SZ).pem"
//  2. Restart every auth within the hour, at least five minutes before its end:
//     that is how long a gateway may use the keys it has. (It fetches the keys at
//     once when it gets a token with an unknown key.) All auth processes switch to
//     the new key at its time, by their clocks.
//  3. A quarter of an hour later, no token of the old key is valid any more. Remove
//     the old file and restart every auth again.
//
// A stolen key must be replaced immediately: name its replacement by the
// current time and restart every auth. Gateways refuse tokens of the old key
// within five minutes, and clients get new ones with their refresh tokens, so
// that nobody has to sign in again.
//
// If the directory has no key or does not exist, LoadKeys creates a key and
// stores it there with mode 0600, named by now. If a file does not contain such
// a key, or the directory cannot be read or written, LoadKeys returns an
// *sx.Error of code invalid.
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
		// Any other name is parsed as the zero time.
		from, _ := time.Parse(nameTime, strings.TrimSuffix(filepath.Base(name), ".pem"))
		keys = append(keys, Key{key, from})
	}
	return keys, nil
}

// keyFiles returns the paths of the key files in the order of their names.
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
	bad := sx.NewError(sx.CodeInvalid, "%s is not an Ed25519 private key in PKCS #8", name).
		WithHint("remove it, or replace it with one created by: openssl genpkey -algorithm ed25519 -out %s", name)
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

// makeKey creates a key and stores it.
func makeKey(dir string, now time.Time) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, keyError(dir, err)
	}
	file := filepath.Join(dir, now.UTC().Format(nameTime)+".pem")
	if err := atomicfile.Write(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, keyError(dir, err)
	}
	return key, nil
}

func keyError(path string, err error) error {
	return sx.NewError(sx.CodeInvalid, "the signing keys in %s cannot be used: %v", path, err).
		WithHint("make the directory readable for the server, and writable if it has no key yet").WithCause(err)
}
