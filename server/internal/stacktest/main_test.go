package stacktest_test

import (
	"context"
	"os"
	"testing"

	"github.com/soundextract/sx/server/internal/stacktest"
)

// bin is the folder of the programs.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // here this is a main

func run(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "sx-programs-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if err := stacktest.Build(context.Background(), bin); err != nil {
		panic(err)
	}
	return m.Run()
}
