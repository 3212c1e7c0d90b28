// Package acceptance tells each user's story with the real sx and sxd, as
// testscripts in testdata, and holds the whole against crashes.
package acceptance_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/soundextract/sx/cli/acceptance/stack"
)

var bin stack.Bin

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sx-acceptance")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if bin, err = stack.Build(context.Background(), dir); err != nil {
		panic(err)
	}
	m.Run()
}

func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Vars = append(env.Vars, bin.Env(home)...)
			env.Setenv("DATA", filepath.Join(home, "data"))
			env.Defer(func() { stack.Kill(filepath.Join(home, "data")) })
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"media":     media,
			"field":     field,
			"mp3":       mp3,
			"sha256sum": sha256sum,
			"killsxd":   killsxd,
		},
	})
}
