package release

import (
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	"k8s.io/apimachinery/pkg/runtime"
)

// Override merges base into over, which it modifies: the values of over win. A
// null in over is kept: it removes a default of the chart.
func Override(over, base map[string]any) map[string]any {
	return chartutil.MergeTables(over, base)
}

// Keep merges given values over those of an earlier revision, as Helm's
// --reset-then-reuse-values does: a null removes the earlier value, so that the
// chart's default applies again. It modifies neither of the two.
func Keep(given, earlier map[string]any) map[string]any {
	return chartutil.CoalesceTables(deepCopy(given), deepCopy(earlier))
}

// Set parses KEY=VALUE,… as helm --set does and merges it into values.
func Set(text string, values map[string]any) error { return strvals.ParseInto(text, values) }

// SetString is Set for values that are always text, as with helm --set-string.
func SetString(text string, values map[string]any) error {
	return strvals.ParseIntoString(text, values)
}

// SetFile parses KEY=PATH,… as helm --set-file does; read returns the content
// of the file at a path.
func SetFile(text string, values map[string]any, read func(path string) (string, error)) error {
	return strvals.ParseIntoFile(text, values, func(path []rune) (any, error) { return read(string(path)) })
}

// deepCopy copies values, which Helm modifies when it renders.
func deepCopy(values map[string]any) map[string]any {
	if values == nil {
		return map[string]any{}
	}
	return runtime.DeepCopyJSON(jsonValues(values))
}

// jsonValues converts the types of YAML to those of JSON.
func jsonValues(values map[string]any) map[string]any {
	converted := make(map[string]any, len(values))
	for key, value := range values {
		converted[key] = jsonValue(value)
	}
	return converted
}

func jsonValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return jsonValues(v)
	case []any:
		converted := make([]any, len(v))
		for i := range v {
			converted[i] = jsonValue(v[i])
		}
		return converted
	case int:
		return int64(v)
	case float32:
		return float64(v)
	default:
		return value
	}
}
