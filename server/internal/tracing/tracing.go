// Package tracing names the spans of OpenTelemetry traces and carries their context between
// the services: in headers of requests and messages, and in records. Without an SDK, which
// package otlp starts, nothing is recorded, but the context that a client has sent is still
// passed on and in the log.
package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/sx"
)

const scope = "github.com/soundextract/sx/server"

// Keys of attributes that have no name in OpenTelemetry's semantic conventions.
const (
	KeyJob     = attribute.Key("soundextract.job.id")
	KeyAttempt = attribute.Key("soundextract.job.attempt")
	KeyRequest = attribute.Key("soundextract.request.id")
	KeyCode    = attribute.Key("error.type") // of the semantic conventions; the values are error codes
)

// Start starts a span, whose parent is that of ctx.
func Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	return otel.Tracer(scope, trace.WithInstrumentationVersion(sx.Version)).Start(ctx, name, options...)
}

// End ends the span, as one that failed if err is not nil. Only the code of the error is
// recorded: its message may contain what users have named.
func End(span trace.Span, err error) {
	if err != nil {
		code := string(sx.CodeOf(err))
		span.SetStatus(codes.Error, code)
		span.SetAttributes(KeyCode.String(code))
	}
	span.End()
}

// Job returns the attribute with the ID of a job.
func Job(id string) attribute.KeyValue { return KeyJob.String(id) }

// The form of all contexts that leave a process (W3C Trace Context). Baggage is neither read
// nor sent: it would carry a client's data to all services.
var format propagation.TraceContext

const header = "traceparent"

// Parent returns the context of ctx's span as text; "" if there is none.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	format.Inject(ctx, carrier)
	return carrier[header]
}

// From returns ctx with the parent that the text, one of Parent, names. An invalid text is
// ignored.
func From(ctx context.Context, parent string) context.Context {
	return format.Extract(ctx, propagation.MapCarrier{header: parent})
}

// Extract returns ctx with the parent that a request names.
func Extract(ctx context.Context, h http.Header) context.Context {
	return format.Extract(ctx, propagation.HeaderCarrier(h))
}

// Inject names ctx's span in a request as its parent, in place of another one.
func Inject(ctx context.Context, h http.Header) {
	for _, field := range format.Fields() {
		h.Del(field)
	}
	format.Inject(ctx, propagation.HeaderCarrier(h))
}

// Forward names the span of a request as the parent of another one, which passes it on.
func Forward(from, to *http.Request) { Inject(from.Context(), to.Header) }

// IDs returns the IDs of ctx's span for the log; ok is false if there is none.
func IDs(ctx context.Context) (traceID, spanID string, ok bool) {
	c := trace.SpanContextFromContext(ctx)
	return c.TraceID().String(), c.SpanID().String(), c.IsValid()
}
