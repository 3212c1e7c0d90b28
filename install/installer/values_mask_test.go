package installer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/soundextract/sx/install/values"
)

func TestMaskedValues(t *testing.T) {
	t.Parallel()
	variable := func(name, value string) any {
		return []any{map[string]any{"name": name, "value": value}}
	}
	for _, tt := range []struct {
		name   string
		value  any
		hidden bool
	}{
		{"gateway.env", variable("OTEL_EXPORTER_OTLP_HEADERS", "x-team=hunter2"), true},
		{"gateway.env", variable("HTTP_PROXY_PASSWORD", "hunter2"), true},
		{"gateway.env", variable("HTTPS_PROXY", "http://ada:hunter2@proxy:3128"), true},
		{"gateway.env", variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://hunter2:4318"), false},
		{"backup.command.env", variable("RESTIC_PASSWORD", "hunter2"), true},
		{"notifier.smtp.secret", "hunter2", false}, // the name of a Secret
		{"gateway.ingress.annotations.auth-token", "hunter2", true},
	} {
		got := fmt.Sprint(values.Mask(tt.name, tt.value))
		if hidden := !strings.Contains(got, "hunter2"); hidden != tt.hidden {
			t.Errorf("%s %v: got %s", tt.name, tt.value, got)
		}
	}
}
