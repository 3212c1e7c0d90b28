package root_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"

	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// home gives the test a home directory without settings.
func home(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, s := range config.Settings() {
		t.Setenv(s.Env, "")
	}
	for _, v := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", dir)
	t.Setenv("SX_CREDENTIALS", "file")
	t.Setenv(config.EnvFile, filepath.Join(dir, "config.yaml"))
	return dir
}

// result is the result of a run of sx.
type result struct {
	code        int
	out, errOut string
}

// sxIn runs sx with the given input, after set has changed the streams.
func sxIn(t *testing.T, input string, set func(*term.IOStreams), args ...string) result {
	t.Helper()
	streams, out, errOut := term.Test(input)
	if set != nil {
		set(streams)
	}
	code := root.Main(t.Context(), args, streams)
	return result{code, out.String(), errOut.String()}
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	return sxIn(t, "", nil, args...)
}

func (r result) want(t *testing.T, code int, out, errOut string) {
	t.Helper()
	if r.code != code || r.out != out || r.errOut != errOut {
		t.Errorf("got %d\n--- out\n%s--- err\n%s--- want %d\n--- out\n%s--- err\n%s", r.code, r.out, r.errOut, code, out, errOut)
	}
}

func (r result) wantPart(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("got exit code %d, want %d", r.code, code)
	}
	for _, p := range parts {
		if !strings.Contains(r.out+r.errOut, p) {
			t.Errorf("%q is missing in\n--- out\n%s--- err\n%s", p, r.out, r.errOut)
		}
	}
}

// signIn starts a server and signs in an account.
func signIn(t *testing.T) *gateway.Server {
	t.Helper()
	home(t)
	server := gateway.New(t)
	t.Setenv("SX_SERVER", server.URL)
	r := sxIn(t, "correct horse\n", nil, "register", "Anna", "--password-stdin")
	r.wantPart(t, 0, "Created account anna at "+server.URL)
	return server
}

func terminal(s *term.IOStreams) { s.InTTY, s.OutTTY, s.ErrTTY = true, true, true }
