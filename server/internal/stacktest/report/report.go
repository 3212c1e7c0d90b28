// Package report is for what tests have to tell whoever runs them although they
// pass, of which go test shows nothing: which RabbitMQ they used, what a test
// counted.
package report

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Variable names the file to which lines are added. Without it they are only
// logged.
const Variable = "SX_TEST_REPORT"

// Line logs a line and adds it to the report. Tests of several processes may do
// so at once, and may tell the same: the report is read sorted, without repeats.
func Line(tb testing.TB, format string, args ...any) {
	tb.Helper()
	line := strings.TrimSpace(fmt.Sprintf(format, args...))
	tb.Logf("%s", line)
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n") // at once, so that lines stay whole
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatalf("writing the report of %s: %v", Variable, err)
	}
}
