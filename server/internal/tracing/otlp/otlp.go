// Package otlp exports traces with OpenTelemetry's SDK. Only the programs of the services
// contain it.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/soundextract/sx/server/sx"
)

// Enabled reports whether the environment asks for traces: it names where to send them, and
// does not disable the SDK or their export. getenv is os.Getenv.
func Enabled(getenv func(string) string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// check refuses settings that would be ignored.
func check(getenv func(string) string) error {
	if v := getenv("OTEL_TRACES_EXPORTER"); v != "" && v != "otlp" {
		return sx.NewError(sx.CodeInvalid, "the setting OTEL_TRACES_EXPORTER is %q, which is not supported", v).
			WithHint("use otlp or none")
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if v := getenv(name); v != "" && v != "http/protobuf" {
			return sx.NewError(sx.CodeInvalid, "the setting %s is %q, which is not supported", name, v).
				WithHint("use http/protobuf, which collectors receive on port 4318")
		}
	}
	return nil
}

// flushTimeout bounds how long the end of a program waits for its last spans.
const flushTimeout = 5 * time.Second

// Start exports the spans of this process as the standard variables OTEL_… say, until stop
// is called. Without an endpoint in them, it does nothing. Spans that cannot be sent are
// lost, and the log says so.
func Start(ctx context.Context, service, instance string, log *slog.Logger) (stop func(), err error) {
	if !Enabled(os.Getenv) {
		return func() {}, nil
	}
	if err := check(os.Getenv); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the export of traces: %w", err)
	}
	// Later attributes win: OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
	about, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.namespace", "soundextract"),
			attribute.String("service.name", service),
			attribute.String("service.version", sx.Version),
			attribute.String("service.instance.id", instance),
		),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv(),
	)
	if err != nil { // the attributes that were found are used
		log.WarnContext(ctx, "describing this process in traces failed in part", "error", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.WarnContext(ctx, "exporting traces failed", "error", err)
	}))
	otel.SetTracerProvider(provider)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "exporting the last traces failed", "error", err)
		}
	}, nil
}
