package release_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
)

// otherValues are alternatives for values that the schema restricts, by the end
// of their paths. Others are changed by their type.
var otherValues = map[string]any{
	"auth.registration":          "closed",
	"auth.oidc.issuer":           "https://id.example.org",
	"auth.oidc.scopes":           []any{"groups"},
	"auth.oidc.domains":          []any{"example.org"},
	"auth.oidc.groups":           []any{"sound"},
	"gateway.trustedHops":        3,
	"gateway.quota":              "7GiB",
	"gateway.reserve":            "7GiB",
	"gateway.maxUpload":          "7GiB",
	"notifier.smtp.addr":         "mail.example.org:25",
	"notifier.smtp.security":     "tls",
	".webhookNetworks":           []any{"10.0.0.0/8"},
	".networks":                  []any{"10.0.0.0/8"},
	".externalMongodbNetworks":   []any{"10.0.0.0/8"},
	".externalRabbitmqNetworks":  []any{"10.0.0.0/8"},
	".dns.peers":                 []any{map[string]any{"ipBlock": map[string]any{"cidr": "10.96.0.10/32"}}},
	"rabbitmq.replicas":          3,
	".logLevel":                  "debug",
	".image.digest":              "sha256:" + digest,
	".cpu":                       "7",
	".memory":                    "7Gi",
	".persistence.size":          "7Gi",
	".conversions":               7,
	".autoscaling.cpu":           7,
	".tolerations":               []any{map[string]any{"key": "x"}},
	".topologySpreadConstraints": []any{map[string]any{"maxSkew": 1, "topologyKey": "x", "whenUnsatisfiable": "DoNotSchedule"}},
	".env":                       []any{map[string]any{"name": "X", "value": "y"}},
	".volumes":                   []any{map[string]any{"name": "x", "emptyDir": map[string]any{}}},
	".volumeMounts":              []any{map[string]any{"name": "x", "mountPath": "/x"}},
	".parentRefs":                []any{map[string]any{"name": "x"}},
	"gateway.jobsPerDay":         7,
	"gateway.retention.videos":   "12h",
	"gateway.retention.failed":   "12h",
	"gateway.retention.tracks":   "365d",
	"backup.recipients":          []any{"age1y"},
	"backup.volume.size":         "7Gi",
	"backup.egress":              []any{map[string]any{"ipBlock": map[string]any{"cidr": "10.96.0.10/32"}}},
}

// needed are the values with which the values below a path have an effect.
var needed = map[string]string{
	"global.externalRabbitmqSecret":   `{global: {externalRabbitmqSecret: s, externalRabbitmqNetworks: [10.1.0.0/16]}, rabbitmq: {enabled: false}}`,
	"global.externalMongodbSecret":    `{global: {externalMongodbSecret: s, externalMongodbNetworks: [10.1.0.0/16]}, mongodb: {enabled: false}}`,
	"global.externalRabbitmqNetworks": `{global: {externalRabbitmqSecret: s, externalRabbitmqNetworks: [10.1.0.0/16]}, rabbitmq: {enabled: false}}`,
	"global.externalRabbitmqUsers":    `{global: {externalRabbitmqSecret: s, externalRabbitmqNetworks: [10.1.0.0/16]}, rabbitmq: {enabled: false}}`,
	"global.externalMongodbNetworks":  `{global: {externalMongodbSecret: s, externalMongodbNetworks: [10.1.0.0/16]}, mongodb: {enabled: false}}`,
	"global.externalMongodbUsers":     `{global: {externalMongodbSecret: s, externalMongodbNetworks: [10.1.0.0/16]}, mongodb: {enabled: false}}`,
	"global.tls.secrets":              `{global: {tls: {enabled: true}}}`,
	"global.tls.issuer":               `{global: {tls: {enabled: true, issuer: {name: inside}}}}`,
	"gateway.ingress":                 `{gateway: {ingress: {enabled: true, host: sx.example.org, tlsSecret: s}}}`,
	"gateway.httpRoute":               `{gateway: {httpRoute: {enabled: true, parentRefs: [{name: edge}]}}}`,
	"converter.autoscaling":           `{converter: {autoscaling: {enabled: true}}}`,
	"backup.enabled":                  `{backup: {recipients: [age1x]}}`,
	"backup.schedule":                 `{backup: {enabled: true, recipients: [age1x]}}`,
	"backup.recipients":               `{backup: {enabled: true, recipients: [age1x]}}`,
	"backup.volume":                   `{backup: {enabled: true, recipients: [age1x]}}`,
	"backup.command":                  `{backup: {enabled: true, recipients: [age1x], command: {image: i}}}`,
	"backup.resources":                `{backup: {enabled: true, recipients: [age1x]}}`,
	"auth.oidc":                       `{auth: {oidc: {issuer: "https://id.example.org/realm", clientID: sx}}}`,
	"notifier.smtp":                   `{notifier: {smtp: {addr: "mail.example.org:587", from: sx@example.org}}}`,
}

// notChanged are values that this test leaves alone, each with the reason.
var notChanged = map[string]string{
	"rabbitmq.enabled":         "the schema couples it to global.externalRabbitmqSecret: TestGolden/outside",
	"backup.command.plaintext": "it excludes recipients: TestGolden/outside",
	"mongodb.enabled":          "the schema couples it to global.externalMongodbSecret: TestGolden/outside",
}

// TestEveryValueHasAnEffect changes each value of values.yaml and checks that
// the manifests change.
func TestEveryValueHasAnEffect(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../charts/soundextract/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var defaults map[string]any
	if err := yaml.Unmarshal(raw, &defaults); err != nil {
		t.Fatal(err)
	}
	var bases sync.Map // by what is needed and the APIs: the manifests before the change
	for _, path := range leaves(defaults, "") {
		if notChanged[path] != "" {
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			need := ""
			if part, found := strings.CutSuffix(path, ".serviceAccount.annotations"); found {
				need = "{" + part + ": {serviceAccount: {create: true}}}"
			}
			for prefix, values := range needed {
				if path == prefix || strings.HasPrefix(path, prefix+".") {
					need = values
				}
			}
			apis := everything
			if path == "converter.autoscaling.cpu" {
				apis = nil // with KEDA, the queue decides
			}
			given := map[string]any{}
			if err := yaml.Unmarshal([]byte(need), &given); err != nil {
				t.Fatal(err)
			}
			values.WithSecrets(given, "0123") // the chart's own Secrets are random
			render := func() string {
				rendered, err := release.Render("1.2.3", given, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: apis, Kubernetes: "v1.34.4"})
				if err != nil {
					t.Fatalf("%v; a value that the schema restricts needs another one in otherValues", err)
				}
				return rendered.All()
			}
			key := need + strings.Join(apis, " ")
			before, ok := bases.Load(key)
			if !ok {
				before = render()
				bases.Store(key, before)
			}
			change(t, defaults, given, path)
			if render() == before {
				t.Errorf("no template uses the value: the manifests are the same with %v; if it needs others, name them in needed", given)
			}
		})
	}
	for path := range notChanged {
		if !slices.Contains(leaves(defaults, ""), path) {
			t.Errorf("values.yaml has no %s", path)
		}
	}
}

// leaves returns the paths of all values that are not maps with keys.
func leaves(all map[string]any, prefix string) []string {
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if below, ok := all[key].(map[string]any); ok && len(below) > 0 {
			paths = append(paths, leaves(below, prefix+key+".")...)
		} else {
			paths = append(paths, prefix+key)
		}
	}
	return paths
}

// change sets the value of the path in given to another than the current one,
// which is the one in given or the default.
func change(t *testing.T, defaults, given map[string]any, path string) {
	t.Helper()
	keys := strings.Split(path, ".")
	last := keys[len(keys)-1]
	for _, key := range keys[:len(keys)-1] {
		defaults = defaults[key].(map[string]any)
		if _, ok := given[key]; !ok {
			given[key] = map[string]any{}
		}
		given = given[key].(map[string]any)
	}
	current, ok := given[last]
	if !ok {
		current = defaults[last]
	}
	best := ""
	for end := range otherValues {
		if (path == end || strings.HasPrefix(end, ".") && strings.HasSuffix(path, end)) && len(end) > len(best) {
			best = end
		}
	}
	if best != "" {
		given[last] = otherValues[best]
		return
	}
	switch v := current.(type) {
	case bool:
		given[last] = !v
	case float64:
		given[last] = v + 1
	case string:
		given[last] = v + "x"
	case []any:
		given[last] = []any{"x"}
	case map[string]any:
		given[last] = map[string]any{"x": "y"}
	default:
		t.Fatalf("%s: no other value is known for %v", path, v)
	}
}
