// Package acceptance tests the real programs: it runs the scripts in testdata, and
// converts videos while sxd is killed again and again.
package acceptance_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/stack"
)

// bin holds the programs once build has returned.
var bin programs.Bin

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // this is a main function

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sx-acceptance")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin.Dir = dir
	defer chromium.Stop()
	return m.Run()
}

var built sync.Once

// build builds the programs for the first test that needs them.
func build(t *testing.T) {
	t.Helper()
	testkit.Need(t, "ffmpeg", "ffprobe")
	built.Do(func() {
		if err := bin.Build(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(bin.Path("sxd")); err != nil {
		t.Fatal("the programs could not be built")
	}
}

// TestScripts runs the scripts that do not depend on how the server runs, once with
// sxd and once with the four services as separate processes.
func TestScripts(t *testing.T) {
	t.Parallel()
	build(t)
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		runScripts(t, "testdata", local)
	})
	t.Run("services", func(t *testing.T) {
		t.Parallel()
		if err := stack.Build(t.Context(), bin.Dir); err != nil {
			t.Fatal(err)
		}
		runScripts(t, "testdata", shared(stack.Start(t, stack.Config{Bin: bin.Dir, Gateways: 2, Converters: 2})))
	})
}

// TestLocal runs the scripts that need sxd.
func TestLocal(t *testing.T) {
	t.Parallel()
	build(t)
	runScripts(t, "testdata/local", local)
}

// runScripts runs the scripts of a directory. The script command server selects the
// script's server, and server team one with accounts for everybody. $ADA and $GRACE are
// user names that are not registered there.
func runScripts(t *testing.T, dir string, server func(*testscript.TestScript, bool, []string)) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Vars = append(env.Vars, bin.Env(home)...)
			env.Setenv("DATA", filepath.Join(home, "data"))
			env.Setenv("SX", bin.Path("sx"))
			family := "-" + strings.ToLower(rand.Text())[:8]
			env.Setenv("ADA", "ada"+family)
			env.Setenv("ADA_SHOUTED", strings.ToUpper("ada"+family))
			env.Setenv("GRACE", "grace"+family)
			env.Values[receiverKey{}] = &receiver{}
			env.Defer(func() {
				programs.Kill(filepath.Join(home, "data"))
				programs.Kill(filepath.Join(home, "other"))
			})
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":    server,
			"team":      local,
			"media":     media,
			"field":     field,
			"mp3":       mp3,
			"sha256sum": sha256sum,
			"killsxd":   killsxd,
			"receiver":  startReceiver,
			"webhooks":  webhooks,
			"recipe":    recipe,
			"machine":   machine,
		},
	})
}

// local starts sxd for the script. The script's sx is not the owner's, so that everybody
// needs an account, as with the services.
func local(ts *testscript.TestScript, _ bool, _ []string) {
	settings := ts.Getenv("SX_CONFIG")
	ts.Setenv("SX_CONFIG", filepath.Join(filepath.Dir(settings), "owner", "config.yaml"))
	ts.Check(ts.Exec("sx", "up", "--detach", "--addr", "127.0.0.1:0", "--data", ts.Getenv("DATA"), "--registration", "open"))
	ts.Setenv("SX_CONFIG", settings)
	server, err := programs.Find(ts.Getenv("DATA"))
	ts.Check(err)
	ts.Setenv("SX_SERVER", server.URL)
}

// shared selects one of the gateways, in turn.
func shared(s *stack.Stack) func(*testscript.TestScript, bool, []string) {
	var turn atomic.Uint32
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("SX_SERVER", s.Gateways[int(turn.Add(1))%len(s.Gateways)].URL())
	}
}
