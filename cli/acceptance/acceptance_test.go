// Package acceptance tells each user's story with the real programs, as
// testscripts in testdata, and holds the whole against crashes.
package acceptance_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/soundextract/sx/cli/acceptance/stack"
)

var (
	bin stack.Bin
	// services gives the services as programs of their own, started by the
	// first test that asks.
	services func() (*stack.Services, error)
)

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // here this is a main

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sx-acceptance")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if bin, err = stack.Build(ctx, dir); err != nil {
		panic(err)
	}
	var started *stack.Services
	services = sync.OnceValues(func() (*stack.Services, error) {
		var err error
		started, err = bin.Services(ctx, filepath.Join(dir, "services"), 2, 2)
		return started, err
	})
	code := m.Run()
	if started != nil {
		if err := started.End(); err != nil {
			panic(err)
		}
	}
	return code
}

// TestStories tells the stories that hold however the server runs, once with
// sxd on this machine and once with the services as programs of their own.
func TestStories(t *testing.T) {
	t.Parallel()
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		tell(t, "testdata", local)
	})
	t.Run("services", func(t *testing.T) {
		t.Parallel()
		s, err := services()
		if err != nil {
			t.Fatal(err)
		}
		tell(t, "testdata", shared(s))
	})
}

// TestLocal tells the stories of the local mode alone.
func TestLocal(t *testing.T) {
	t.Parallel()
	tell(t, "testdata/local", local)
}

// tell runs the scripts of a folder. The command server gives a script what it
// talks to, and $ADA and $GRACE are names that nobody there has yet.
func tell(t *testing.T, folder string, server func(*testscript.TestScript, bool, []string)) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Vars = append(env.Vars, bin.Env(home)...)
			env.Setenv("DATA", filepath.Join(home, "data"))
			family := "-" + strings.ToLower(rand.Text())[:8]
			env.Setenv("ADA", "ada"+family)
			env.Setenv("ADA_SHOUTED", strings.ToUpper("ada"+family))
			env.Setenv("GRACE", "grace"+family)
			env.Values[theReceiver{}] = &receiver{}
			env.Defer(func() { stack.Kill(filepath.Join(home, "data")) })
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":    server,
			"media":     media,
			"field":     field,
			"mp3":       mp3,
			"sha256sum": sha256sum,
			"killsxd":   killsxd,
			"receiver":  startReceiver,
			"posted":    posted,
		},
	})
}

// local starts a server of the script's own.
func local(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("sx", "up", "--detach", "--addr", "127.0.0.1:0", "--data", ts.Getenv("DATA")))
}

// shared points the script at the services, at one of the gateways in turn.
func shared(s *stack.Services) func(*testscript.TestScript, bool, []string) {
	var turn atomic.Uint32
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("SX_SERVER", s.Gateways[int(turn.Add(1))%len(s.Gateways)])
	}
}
