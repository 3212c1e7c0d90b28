package testkit

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// LogBuffer is a buffer for logs that may be read while it is being written.
// Its zero value is ready to use.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends to the buffer.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns everything written so far.
func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Find returns the log records with the given message, for logs in JSON.
func (b *LogBuffer) Find(tb testing.TB, msg string) []map[string]any {
	tb.Helper()
	var found []map[string]any
	for line := range strings.Lines(b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			tb.Fatalf("log line %q: %v", line, err)
		}
		if record[slog.MessageKey] == msg {
			found = append(found, record)
		}
	}
	return found
}

// Wait waits for a log record with the given message and returns the first one.
func (b *LogBuffer) Wait(tb testing.TB, msg string) map[string]any {
	tb.Helper()
	var found []map[string]any
	Eventually(tb, "log record "+msg, func() bool {
		found = b.Find(tb, msg)
		return len(found) > 0
	}, func() any { return b.String() })
	return found[0]
}

// Logger returns a logger that writes JSON at level debug into a buffer, which is
// printed if the test fails.
func Logger(tb testing.TB) (*slog.Logger, *LogBuffer) {
	tb.Helper()
	out := &LogBuffer{}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("log:\n%s", out)
		}
	})
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})), out
}
