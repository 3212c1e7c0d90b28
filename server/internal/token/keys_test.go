package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLoadKeysCreatesKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "keys")
	made, err := token.LoadKeys(dir, day)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "20260301T120000Z.pem" {
		t.Fatalf("got files %v, error %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got mode %v, error %v, want 0600", info.Mode(), err)
	}
	again, err := token.LoadKeys(dir, day.Add(time.Hour))
	if err != nil || len(again) != 1 || !again[0].Private.Equal(made[0].Private) {
		t.Fatalf("the second start has another key (error %v)", err)
	}
}

func TestLoadKeysOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// The later name is written first: names decide, not modification times.
	for _, name := range []string{"2026-02.pem", "2026-01.pem"} {
		keys, err := token.LoadKeys(t.TempDir(), day)
		if err != nil {
			t.Fatal(err)
		}
		writeKey(t, filepath.Join(dir, name), keys[0].Private)
	}
	// As in a mounted Secret: a directory with the data and links to it.
	for _, other := range []string{"..data", "directory.pem"} {
		if err := os.Mkdir(filepath.Join(dir, other), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{".new-key-1", ".hidden.pem", "README"} {
		if err := os.WriteFile(filepath.Join(dir, other), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "2026-02.pem"), filepath.Join(dir, "..data", "2026-02.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", "2026-02.pem"), filepath.Join(dir, "2026-02.pem")); err != nil {
		t.Fatal(err)
	}
	keys, err := token.LoadKeys(dir, day)
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %d keys, error %v, want 2", len(keys), err)
	}
	c := testkit.NewClock()
	src := &source{doc: newSigner(t, c, keys[1]).KeySet()}
	if _, err := token.NewVerifier(src.Fetch, c.Now).Verify(t.Context(), sign(t, newSigner(t, c, keys...))); err != nil {
		t.Fatalf("the key with the last name does not sign: %v", err)
	}
}

func writeKey(t *testing.T, name string, key any) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		write func(t *testing.T, dir string)
	}{
		{"not PEM", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "a.pem"), []byte("hello"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"PEM of something else", func(t *testing.T, dir string) {
			block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
			if err := os.WriteFile(filepath.Join(dir, "a.pem"), block, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"a key of another kind", func(t *testing.T, dir string) { writeKey(t, filepath.Join(dir, "a.pem"), ec) }},
		{"a dangling link", func(t *testing.T, dir string) {
			if err := os.Symlink("nowhere", filepath.Join(dir, "a.pem")); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tt.write(t, dir)
			_, err := token.LoadKeys(dir, day)
			wantCode(t, err, sx.CodeInvalid)
		})
	}
	t.Run("the directory is a file", func(t *testing.T) {
		t.Parallel()
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := token.LoadKeys(name, day)
		wantCode(t, err, sx.CodeInvalid)
		_, err = token.LoadKeys(filepath.Join(name, "below"), day)
		wantCode(t, err, sx.CodeInvalid)
	})
	t.Run("nothing can be written", func(t *testing.T) {
		t.Parallel()
		// /proc takes no files even from root.
		_, err := token.LoadKeys("/proc/self/fdinfo", day)
		wantCode(t, err, sx.CodeInvalid)
	})
}
