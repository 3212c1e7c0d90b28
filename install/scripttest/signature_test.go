//go:build snapshot

package scripttest_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The signature is that of the list of checksums as it is published, as
// SECURITY.md has people verify it. make snapshot-test signs with a key of its own.
func TestSignature(t *testing.T) {
	s := built(t)
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil { // gpg wants it for itself
		t.Fatal(err)
	}
	must(t, "gpg", "--homedir", home, "--batch", "--import", filepath.Join(s.dir, "signing-key.gpg"))
	must(t, "gpg", "--homedir", home, "--batch", "--verify", filepath.Join(s.dir, "checksums.txt.asc"), filepath.Join(s.dir, "checksums.txt"))
}
