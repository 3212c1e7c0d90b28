package testkit

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// EnvReport names the file to which reports are added. Without it they are only
// logged.
const EnvReport = "SX_TEST_REPORT"

// Report logs a line and adds it to the report, which make test prints sorted
// and without duplicates. It is for facts about tests that pass, such as which
// RabbitMQ they used or what they counted. Several processes may report at the
// same time.
func Report(tb testing.TB, format string, args ...any) {
	tb.Helper()
	line := strings.TrimSpace(fmt.Sprintf(format, args...))
	tb.Logf("%s", line)
	path := os.Getenv(EnvReport)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n") // in one write, so that lines stay whole
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatalf("writing the report of %s: %v", EnvReport, err)
	}
}
