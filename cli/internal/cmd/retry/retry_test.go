package retry_test

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/retry"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, retry.NewCmd, func(ids []string, json bool) retry.Options {
		return retry.Options{IDs: ids, JSON: json}
	})
}
