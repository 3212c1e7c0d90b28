package scripttest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/testkit"
)

// TestAttestation checks that gh, if it is signed in, decides on the list of checksums.
func TestAttestation(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		for _, tt := range []struct {
			gh, wants string
			code      int
		}{
			{`case "$1 $2" in "auth status") exit 0 ;; "attestation verify") grep -q sx_1.2.3 "$3" && [ "$4 $5" = "--repo soundextract/sx" ] ;; esac`, "has the attestation of the release workflow", 0},
			{`[ "$1" = auth ] || { echo "no attestation found" >&2; exit 1; }`, "is not attested by soundextract/sx: no attestation found", 1},
			{`exit 1`, "installed sx 1.2.3", 0}, // not signed in
		} {
			tools, dir := t.TempDir(), t.TempDir()
			program(t, tools, "gh", tt.gh)
			program(t, tools, "gpg", "exit 2") // has no key
			said, code := run{shell: shell, home: dir, path: tools, args: []string{"--dir", dir}}.do(t, m)
			wants(t, said, tt.wants)
			if installed := len(names(t, dir)) > 0; code != tt.code || installed != (code == 0) {
				t.Errorf("exit code %d, installed: %v; output:\n%s", code, installed, said)
			}
		}
	})
}

// TestSignatureOfTheList checks a signature with gpg itself: a good one, one of a
// changed list, and one by a key that is not known.
func TestSignatureOfTheList(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "gpg")
	m := newMirror(t)
	m.release(t, "1.2.3", everywhere...)
	// gpg's sockets need a short path.
	keys, err := os.MkdirTemp("", "gpg") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", keys, "--batch", "--quiet", "--passphrase", ""}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", keys, "--kill", "all").Run() // after the test's context has ended
		_ = os.RemoveAll(keys)
	})
	gpg("--quick-generate-key", "a test of sx", "ed25519", "sign", "1d")
	list := filepath.Join(m.dir, "download", "v1.2.3", "checksums.txt")
	gpg("--output", list+".asc", "--armor", "--detach-sign", list)

	tools := t.TempDir()
	program(t, tools, "gh", "exit 1")
	install := func(home string) (string, int) {
		return run{shell: "sh", home: t.TempDir(), path: tools, env: []string{"GNUPGHOME=" + home}, args: []string{"--dir", t.TempDir()}}.do(t, m)
	}
	said, code := install(keys)
	wants(t, said, "has a good signature", "installed sx 1.2.3")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	empty := t.TempDir()
	if err := os.Chmod(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, code := install(empty); code != 0 || strings.Contains(said, "signature") {
		t.Errorf("without the key: exit code %d, output:\n%s", code, said)
	}
	changed, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, append(changed, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	said, code = install(keys)
	wants(t, said, "error: the signature of the list of checksums is wrong")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// TestNoPlainRedirect checks that an HTTPS address never leads to plain HTTP, and that
// every request of the script is restricted.
func TestNoPlainRedirect(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		var asked bool
		plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
		t.Cleanup(plain.Close)
		secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
		t.Cleanup(secure.Close)
		tools := t.TempDir()
		curl, err := exec.LookPath("curl")
		if err != nil {
			t.Fatal(err)
		}
		program(t, tools, "curl", `exec `+curl+` --insecure "$@"`)
		said, code := run{shell: shell, home: t.TempDir(), path: tools}.do(t, &mirror{url: secure.URL})
		if code != 1 || asked {
			t.Errorf("exit code %d, plain HTTP was used: %v; output:\n%s", code, asked, said)
		}
		wants(t, said, "error: download of https://")
	})
}
