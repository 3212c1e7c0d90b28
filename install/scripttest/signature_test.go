//go:build snapshot

package scripttest_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSignature verifies the signature of the published list of checksums as
// SECURITY.md describes. make snapshot-test signs with a key that it creates.
func TestSignature(t *testing.T) {
	s := built(t)
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil { // gpg requires a private directory
		t.Fatal(err)
	}
	must(t, "gpg", "--homedir", home, "--batch", "--import", filepath.Join(s.dir, "signing-key.gpg"))
	must(t, "gpg", "--homedir", home, "--batch", "--verify", filepath.Join(s.dir, "checksums.txt.asc"), filepath.Join(s.dir, "checksums.txt"))
}
