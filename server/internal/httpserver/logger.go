package httpserver

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/soundextract/sx/server/sx"
)

// NewLogger makes the program's logger. level is debug, info, warn or error;
// format is text or json; anything else is an *sx.Error of code invalid. A line
// that is logged with the ctx of a request (see Observe) names the request's id
// and, once it is known, its user.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "there is no log level %q", level).
			WithHint("choose one of debug, info, warn, error")
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(requestHandler{slog.NewTextHandler(w, opts)}), nil
	case "json":
		return slog.New(requestHandler{slog.NewJSONHandler(w, opts)}), nil
	default:
		return nil, sx.NewError(sx.CodeInvalid, "there is no log format %q", format).
			WithHint("choose text or json")
	}
}

// requestHandler adds what the ctx knows of the request to each line.
type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if info := requestOf(ctx); info != nil {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", info.id))
		if user := info.user.Load(); user != nil {
			r.AddAttrs(slog.String("user", *user))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}

// Cause spells an error out for the log: an *sx.Error hides its cause from
// people, the operator is to see it.
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
