// Package faults_test lets parts of the product fail while videos are uploaded
// and converted, and counts what came of it.
package faults_test

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
	if bin, err = os.MkdirTemp("", "sx-faults-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if err := stacktest.Build(context.Background(), bin, "github.com/soundextract/sx/cli/cmd/sx"); err != nil {
		panic(err)
	}
	return m.Run()
}
