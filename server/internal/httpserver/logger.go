package httpserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// NewLogger returns the program's logger. level is debug, info, warn or error; format
// is text or json; any other value is an *sx.Error of code invalid. A line that is
// logged with the ctx of a request (see Observe) has the request's ID and, once it is
// known, its user; one that is logged in a span has the IDs of trace and span. Durations
// have units.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "unknown log level %q", level).
			WithHint("use debug, info, warn or error")
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return bounded(a) }}
	switch format {
	case "text":
		return slog.New(requestHandler{slog.NewTextHandler(w, opts)}), nil
	case "json":
		opts.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
			a = bounded(a)
			if a.Value.Kind() == slog.KindDuration { // otherwise a number of nanoseconds
				a.Value = slog.StringValue(a.Value.Duration().String())
			}
			return a
		}
		return slog.New(requestHandler{slog.NewJSONHandler(w, opts)}), nil
	default:
		return nil, sx.NewError(sx.CodeInvalid, "unknown log format %q", format).
			WithHint("use text or json")
	}
}

// maxLogged is how many bytes of a text are logged.
const maxLogged = 8 << 10

// bounded returns the attribute with a text that is not too long and cannot change a
// terminal: a log quotes what clients, providers, mail servers and videos have sent.
func bounded(a slog.Attr) slog.Attr {
	text, ok := a.Value.Any().(string)
	if err, failed := a.Value.Any().(error); failed {
		text, ok = err.Error(), true
	}
	if !ok {
		return a
	}
	var lines []string // those of a stack remain lines
	for line := range strings.Lines(text[:min(len(text), maxLogged)]) {
		lines = append(lines, sx.CleanText(strings.ReplaceAll(line, "\t", " ")))
	}
	clean := strings.Join(lines, "\n")
	if len(text) > maxLogged {
		clean += "…"
	}
	a.Value = slog.StringValue(clean)
	return a
}

// requestHandler adds the request's ID and user to each line, and the IDs of the span.
type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if info := requestOf(ctx); info != nil {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", info.id))
		if user := info.user.Load(); user != nil {
			r.AddAttrs(slog.String("user", *user))
		}
	}
	if traceID, spanID, ok := tracing.IDs(ctx); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", traceID), slog.String("span_id", spanID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}

// Cause formats an error for the log, with the causes that the message of an *sx.Error
// does not contain.
func Cause(err error) string {
	text := err.Error()
	var e *sx.Error
	for errors.As(err, &e) {
		if err = e.Unwrap(); err == nil {
			break
		}
		text += ": " + err.Error()
	}
	return text
}
