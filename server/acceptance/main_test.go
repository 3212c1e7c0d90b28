// Package acceptance_test runs the four services as separate programs on
// RabbitMQ and MongoDB: with several gateways and converters, during a key
// rotation, with invalid settings, and while components fail during uploads and
// conversions.
package acceptance_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
	"github.com/soundextract/sx/server/testkit/stack"
)

// bin is the directory of the programs.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // here this is a main

func run(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "sx-programs-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	defer chromium.Stop()
	return m.Run()
}

// parallel is t.Parallel for a test with a stack, unless all stacks use the same
// containers, which the tests kill.
func parallel(t *testing.T) {
	t.Helper()
	if os.Getenv(rabbitmq.EnvContainer) == "" && os.Getenv(mongodb.EnvContainer) == "" {
		t.Parallel()
	}
}

var build sync.Once

// programs builds the programs for the first test that needs them.
func programs(t *testing.T) {
	t.Helper()
	testkit.SkipShort(t)
	build.Do(func() {
		if err := stack.Build(t.Context(), bin, "github.com/soundextract/sx/cli/cmd/sx", "github.com/soundextract/sx/server/cmd/sxd"); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(bin, "sx")); err != nil {
		t.Fatal("the programs could not be built")
	}
}
