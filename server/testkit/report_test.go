package testkit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/testkit"
)

func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	t.Setenv(testkit.EnvReport, path)
	testkit.Report(t, "%d of %d", 1, 2)
	testkit.Report(t, "two of two")
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "1 of 2\ntwo of two\n" {
		t.Errorf("the report is %q, error %v", text, err)
	}
}
