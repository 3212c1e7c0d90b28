package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/internal/stacktest/report"
)

func TestLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	t.Setenv(report.Variable, path)
	report.Line(t, "%d of %d", 1, 2)
	report.Line(t, "two of two")
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "1 of 2\ntwo of two\n" {
		t.Errorf("the report is %q, error %v", text, err)
	}
}
