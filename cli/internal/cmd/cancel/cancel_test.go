package cancel_test

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/cancel"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, cancel.NewCmd, func(ids []string, json bool) cancel.Options {
		return cancel.Options{IDs: ids, JSON: json}
	})
}
