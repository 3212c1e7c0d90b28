package values

import (
	"regexp"
	"sync"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/server/api"
)

var (
	// secretName matches the names of settings that are secret. OTEL_EXPORTER_OTLP_HEADERS has
	// the key of a collector.
	secretName = regexp.MustCompile(`(?i)password|passwd|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|_headers$`)
	// secretText matches text that is a secret or contains one.
	secretText = regexp.MustCompile(`://[^/\s"'@]*:[^/\s"'@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----|\beyJ[A-Za-z0-9_-]{5,}\.|` + api.SecretPattern)
)

// Mask hides a secret value. Values that the chart itself lists are never secret: where
// the chart needs a secret, its value is the name of a Secret. Others, such as
// environment variables, are judged by their names and texts.
func Mask(name string, value any) any {
	return mask(value, !named()[name] && secretName.MatchString(name))
}

func mask(value any, secret bool) any {
	switch v := value.(type) {
	case string:
		if v != "" && (secret || secretText.MatchString(v)) {
			return manifest.Hidden
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = mask(v[i], secret)
		}
		return all
	case map[string]any:
		variable, _ := v["name"].(string)
		all := make(map[string]any, len(v))
		for key := range v {
			all[key] = mask(v[key], secret || secretName.MatchString(key) || key == "value" && secretName.MatchString(variable))
		}
		return all
	}
	return value
}

// named has the names of the values that the chart lists.
var named = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for name := range Leaves(chart.Defaults()) {
		names[name] = true
	}
	return names
})
