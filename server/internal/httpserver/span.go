package httpserver

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/tracing"
)

// startSpan starts the span of a request, with the names of OpenTelemetry's semantic
// conventions for HTTP. Its parent is what the request names. Probes have no span.
func startSpan(r *http.Request) (in *http.Request, end func(route string, status int)) {
	if slices.Contains(opsPaths, r.URL.Path) {
		return r, func(string, int) {}
	}
	method := r.Method
	if !slices.Contains(knownMethods, method) {
		method = "_OTHER"
	}
	ctx, span := tracing.Start(tracing.Extract(r.Context(), r.Header), method,
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("http.request.method", method),
			attribute.String("url.path", validText(loggedPath(r))),
			tracing.KeyRequest.String(RequestID(r.Context())),
		))
	r = r.WithContext(ctx)
	return r, func(route string, status int) {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if job := jobOf(r, route); job != "" {
			span.SetAttributes(tracing.Job(job))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(tracing.KeyCode.String(strconv.Itoa(status)))
		}
		span.End()
	}
}

// jobOf returns the ID of the job that the request is about; "" if it is about none.
func jobOf(r *http.Request, route string) string {
	for _, prefix := range []string{api.PathJobs + "/", api.PathAdminJobs + "/", api.PathUploads} {
		if id := r.PathValue("id"); strings.HasPrefix(route, prefix) && len(id) <= maxLoggedID {
			return validText(id)
		}
	}
	return ""
}

// validText replaces what is not UTF-8: one invalid attribute prevents the export of all
// spans that are sent with its own.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// maxLoggedID is more than the length of any ID, in bytes.
const maxLoggedID = 64
