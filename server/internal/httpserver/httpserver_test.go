package httpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// newLog returns a logger of the package, and what it logs.
func newLog(t *testing.T, level string) (*slog.Logger, *testkit.LogBuffer) {
	t.Helper()
	out := &testkit.LogBuffer{}
	log, err := httpserver.NewLogger(out, level, "json")
	if err != nil {
		t.Fatal(err)
	}
	return log, out
}

// get sends a GET request and returns the response with its body.
func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	return do(t, newRequest(t, http.MethodGet, url, nil))
}

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

// wantError checks a response in the API's error format.
func wantError(t *testing.T, res *http.Response, body string, status int, code sx.Code) api.Error {
	t.Helper()
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	if res.StatusCode != status || e.Error.Code != code || e.Error.Message == "" || e.Error.Hint == "" {
		t.Fatalf("got %d %+v, want %d with code %q", res.StatusCode, e.Error, status, code)
	}
	return e.Error
}

func TestGroup(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	untilEnd := func(ctx context.Context) error { <-ctx.Done(); return nil }
	untilEndErr := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	nothing := func(context.Context) error { return nil }
	fails := func(context.Context) error { return broken }
	failsLate := func(ctx context.Context) error { <-ctx.Done(); return broken }
	tests := []struct {
		name  string
		input httpserver.Group
		end   bool // a timeout ends ctx
		want  error
	}{
		{"the first error cancels the rest", httpserver.Group{untilEnd, fails, untilEndErr}, false, broken},
		{"one that is done does not", httpserver.Group{nothing, untilEnd, untilEndErr}, true, nil},
		{"the end of ctx is no error", httpserver.Group{untilEnd, untilEndErr}, true, nil},
		{"an error while stopping is one", httpserver.Group{untilEnd, failsLate}, true, broken},
		{"all are done", httpserver.Group{nothing, nothing}, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.end {
				tt.input = append(tt.input, func(context.Context) error { cancel(); return nil })
			}
			if err := tt.input.Run(ctx); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestLogsAreBounded logs what a server that is not trusted might have sent.
func TestLogsAreBounded(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := httpserver.NewLogger(&out, "info", format)
		if err != nil {
			t.Fatal(err)
		}
		hostile := "\u009b31m\u202e\x1b]52;c;aGk=\a" + strings.Repeat("a", 1<<20)
		log.Info("hostile", "error", fmt.Errorf("provider: %w", errors.New(hostile)), "text", hostile, "stack", "one\ntwo")
		line := strings.TrimSuffix(out.String(), "\n")
		if len(line) > 30_000 || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsAny(line, "\u202e\u009b") || !strings.Contains(line, `one\ntwo`) {
			t.Errorf("%s: a line of %d bytes: %.200q", format, len(line), line)
		}
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := httpserver.NewLogger(&out, "warn", "text")
	if err != nil {
		t.Fatal(err)
	}
	log.InfoContext(t.Context(), "quiet")
	log.WarnContext(t.Context(), "loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud") {
		t.Fatalf("got %q", got)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}, {"", "text"}, {"info", ""}} {
		if _, err := httpserver.NewLogger(&out, bad[0], bad[1]); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("level %q, format %q: got %v, want code invalid", bad[0], bad[1], err)
		}
	}
	out.Reset()
	asJSON, err := httpserver.NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	asJSON.InfoContext(t.Context(), "done", "took", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"took":"1.5s"`) {
		t.Errorf("a duration is logged as %s", &out)
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	inner := errors.New("connection refused")
	tests := []struct {
		name  string
		input error
		want  string
	}{
		{"plain", inner, "connection refused"},
		{"hidden cause", sx.NewError(sx.CodeUnavailable, "the store is unreachable").WithCause(inner), "the store is unreachable: connection refused"},
		{"no cause", sx.NewError(sx.CodeNotFound, "gone"), "gone"},
		{
			"two", sx.NewError(sx.CodeUnavailable, "a").WithCause(sx.NewError(sx.CodeUnavailable, "b").WithCause(inner)),
			"a: b: connection refused",
		},
	}
	for _, tt := range tests {
		if got := httpserver.Cause(tt.input); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
