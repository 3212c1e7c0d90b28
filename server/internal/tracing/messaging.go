package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// StartSend starts the span of sending a message about a job to a queue, with the names of
// OpenTelemetry's semantic conventions for messaging.
func StartSend(ctx context.Context, queue, job string) (context.Context, trace.Span) {
	return Start(ctx, "publish "+queue, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(messaging("publish", "send", queue, job)...))
}

// StartProcess starts the span of working on a message about a job, whose parent is the
// span that sent it.
func StartProcess(ctx context.Context, parent, queue, job string) (context.Context, trace.Span) {
	return Start(From(ctx, parent), "process "+queue, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(messaging("process", "process", queue, job)...))
}

func messaging(operation, kind, queue, job string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", kind),
		attribute.String("messaging.destination.name", queue),
		attribute.String("messaging.message.conversation_id", job),
		Job(job),
	}
}

// SetSystem names the broker in the span of ctx.
func SetSystem(ctx context.Context, name string) {
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("messaging.system", name))
}
