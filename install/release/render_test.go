package release_test

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

var update = flag.Bool("update", false, "write the rendered manifests to testdata")

// everything contains all optional APIs that the chart uses.
var everything = []string{
	"keda.sh/v1alpha1/ScaledObject", "monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule", "gateway.networking.k8s.io/v1/HTTPRoute",
	"gateway.networking.k8s.io/v1/BackendTLSPolicy", "traefik.io/v1alpha1/ServersTransport", "cert-manager.io/v1/Certificate",
}

// scenario is a tested install.
type scenario struct {
	name   string
	preset string
	values string // YAML
	apis   []string

	kubernetes string // "" is v1.34.4
}

func scenarios() []scenario {
	const (
		outside = `
global: {externalRabbitmqSecret: my-queues, externalMongodbSecret: my-database, externalRabbitmqNetworks: [10.1.0.0/16], externalMongodbNetworks: [0.0.0.0/0, "::/0"]}
rabbitmq: {enabled: false}
mongodb: {enabled: false}
auth:
  passwords: false
  oidc:
    issuer: https://id.example.org/realm
    clientID: soundextract
    secret: oidc
    scopes: [groups]
    domains: [example.org]
    groups: [sound, "CN=music,DC=example,DC=org"]
    adminGroup: admins
backup:
  enabled: true
  command:
    image: registry.example.org/restic:1
    args: [restic, backup, --stdin]
    env: [{name: RESTIC_REPOSITORY, value: "s3:s3.example.org/sx"}]
    secret: restic
    plaintext: true
  egress: [{ipBlock: {cidr: 10.2.0.0/16}}]
`
		exposed = `
gateway:
  ingress: {enabled: true, className: traefik, host: sx.example.org, tlsSecret: sx-tls, annotations: {a: b}}
  httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: [sx.example.org]}
notifier:
  smtp: {addr: "mail.example.org:587", user: sx, secret: smtp, from: sx@example.org}
  webhookNetworks: [10.0.0.0/8]
`
		elsewhere = `
global: {imageRegistry: "registry.example.org:5000/", imagePullSecrets: [pull], networkPolicies: false, metrics: {monitors: false}}
gateway: {nodeSelector: {disk: fast}, tolerations: [{key: sx, operator: Exists}], image: {tag: special, digest: "sha256:` + digest + `"}}
mongodb: {persistence: {storageClass: ssd}}
`
		secured = `
global: {tls: {enabled: true, secrets: {gateway: edge}, issuer: {name: inside, kind: ClusterIssuer}}}
`
	)
	return []scenario{
		{name: "default"},
		{name: "quickstart", preset: "quickstart"},
		{name: "production", preset: "production"},
		{name: "production-everything", preset: "production", apis: everything, values: `global: {metrics: {namespace: monitoring}}`},
		{name: "outside", values: outside},
		{name: "exposed", values: exposed, apis: everything},
		{name: "elsewhere", values: elsewhere, apis: everything},
		{name: "tls", values: "global: {tls: {enabled: true}}\nbackup: {enabled: true, recipients: [age1x, age1y], volume: {storageClass: slow}}"},
		{name: "tls-everything", preset: "production", values: exposed + secured, apis: everything},
	}
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// render renders as sx install does.
func (s scenario) render(t *testing.T) string {
	t.Helper()
	return s.renderVersion(t, "1.2.3")
}

func (s scenario) renderVersion(t *testing.T, version string) string {
	t.Helper()
	given := map[string]any{}
	if s.preset != "" {
		var err error
		if given, err = chart.Preset(s.preset); err != nil {
			t.Fatal(err)
		}
	}
	if err := yaml.Unmarshal([]byte(s.values), &given); err != nil {
		t.Fatal(err)
	}
	values.WithSecrets(given, "0123")
	rendered, err := release.Render(version, given, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: s.apis, Kubernetes: cmp.Or(s.kubernetes, "v1.34.4")})
	if err != nil {
		t.Fatal(err)
	}
	return rendered.All()
}

// TestGolden compares the manifests with testdata, so that a commit's diff
// shows its effect on them. Update them with: go test ./install/release -update
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			path, text := filepath.Join("testdata", s.name+".yaml"), s.render(t)
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, got := strings.Split(string(raw), "\n"), strings.Split(text, "\n")
			for i := range got {
				if i >= len(want) || got[i] != want[i] {
					t.Fatalf("%s:%d: rendered is %q; see all with: go test ./install/release -update", path, i+1, got[i])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s has %d lines, rendered are %d", path, len(want), len(got))
			}
		})
	}
}

// TestPreStopSleep checks that the services that others call keep listening
// while Kubernetes removes their endpoints, if its version supports the sleep.
func TestPreStopSleep(t *testing.T) {
	t.Parallel()
	const called = 3 // auth, gateway, notifier
	for kubernetes, want := range map[string]int{
		"v1.29.4-gke.1043002": 0, "v1.30.0": called, "v1.30.2+k3s1": called, "v1.33.1-eks-a737599": called,
	} {
		text := scenario{kubernetes: kubernetes}.render(t)
		if got := strings.Count(text, "lifecycle: {preStop: {sleep: {seconds: 5}}}"); got != want {
			t.Errorf("Kubernetes %s: %d services have the preStop sleep, want %d", kubernetes, got, want)
		}
	}
}

// TestTrustedHops checks that the number of proxies is derived from how the gateway is
// exposed, unless it is set.
func TestTrustedHops(t *testing.T) {
	t.Parallel()
	const ingress = "ingress: {enabled: true, host: sx.example.org}"
	for values, want := range map[string]string{
		"": "", "gateway: {" + ingress + "}": "1",
		"gateway: {httpRoute: {enabled: true, parentRefs: [{name: edge}]}}": "1",
		"gateway: {trustedHops: 2, " + ingress + "}":                        "2",
		"gateway: {trustedHops: 0, " + ingress + "}":                        "",
		"gateway: {trustedHops: null, " + ingress + "}":                     "1",
	} {
		_, after, found := strings.Cut(scenario{values: values}.render(t), `{name: SX_TRUSTED_HOPS, value: "`)
		if got, _, _ := strings.Cut(after, `"`); found != (want != "") || found && got != want {
			t.Errorf("%s: trusts %q proxies, want %q", values, got, want)
		}
	}
}

// TestSafeDefaults checks, for each preset, what protects an installation whose address
// strangers know.
func TestSafeDefaults(t *testing.T) {
	t.Parallel()
	for _, preset := range append(chart.Presets(), "") {
		text := scenario{preset: preset}.render(t)
		for _, want := range []string{`{name: SX_REGISTRATION, value: "invitation"}`, `{name: SX_QUOTA, value: "50GiB"}`, "kind: NetworkPolicy"} {
			if !strings.Contains(text, want) {
				t.Errorf("preset %q: the manifests lack %s", preset, want)
			}
		}
	}
}

// TestRefusals checks that the error names the invalid value.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"gateway: {replicas: many}":                                     "gateway.replicas: got string, want integer",
		"gatway: {replicas: 2}":                                         "'gatway' not allowed",
		"auth: {registration: maybe}":                                   "auth.registration: value must be one of",
		"rabbitmq: {replicas: 2}":                                       "rabbitmq.replicas: value must be one of 1, 3",
		"mongodb: {persistence: {size: huge}}":                          "mongodb.persistence.size",
		"mongodb: {enabled: false}":                                     "global.externalMongodbSecret",
		"rabbitmq: {enabled: false}":                                    "global.externalRabbitmqSecret",
		"global: {externalMongodbSecret: x}":                            "global.externalMongodbSecret",
		"gateway: {httpRoute: {enabled: true}}":                         "gateway.httpRoute.parentRefs",
		"converter: {autoscaling: {min: 0}}":                            "converter.autoscaling.min",
		"gateway: {quota: lots}":                                        "gateway.quota",
		"auth: {image: {digest: sha256:short}}":                         "auth.image.digest",
		"notifier: {webhookNetworks: [example.org]}":                    "notifier.webhookNetworks.0",
		"notifier: {smtp: {addr: 'mail.example.org:587'}}":              "notifier.smtp.from",
		"converter: {resources: {limits: {cpu: x y}}}":                  "converter.resources.limits.cpu",
		"notifier: {webhookNetworks: [10.0.0.0/33]}":                    "notifier.webhookNetworks.0",
		"global: {externalMongodbSecret: x}\nmongodb: {enabled: false}": "global.externalMongodbNetworks is empty",
		"global: {imageRegistry: 5}":                                    "global.imageRegistry",
		"global: {imageRegistri: r}":                                    "'imageRegistri' not allowed",
	} {
		var all map[string]any
		if err := yaml.Unmarshal([]byte(given), &all); err != nil {
			t.Fatal(err)
		}
		_, err := release.Render("1.2.3", all, release.RenderOptions{Release: "r", Namespace: "n"})
		if sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "failed") {
			t.Errorf("%s: got %v, want %q in one line", given, err, want)
		}
	}
}

// TestReleaseName checks that a name that would make object names too long for
// Kubernetes is refused.
func TestReleaseName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		release, namespace int // characters
		refusal            string
	}{
		{43, 1, ""},
		{44, 1, "may have at most 43"},
		{43, 58, ""},
		{43, 59, "have 102 characters together and may have at most 101"},
	} {
		_, err := release.Render("1.2.3", nil, release.RenderOptions{Release: strings.Repeat("r", tt.release), Namespace: strings.Repeat("n", tt.namespace)})
		if tt.refusal == "" && err != nil || tt.refusal != "" && (sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), tt.refusal)) {
			t.Errorf("%d and %d characters: got %v, want %q", tt.release, tt.namespace, err, tt.refusal)
		}
	}
}

// TestImages checks that the images have sx's version, and that
// --image-registry applies to all of them.
func TestImages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version, values string
		want            []string
	}{
		{"1.2.3", "", []string{
			"docker.io/library/mongo:8.0.29", "docker.io/library/rabbitmq:4.3.5-management",
			"ghcr.io/soundextract/auth:1.2.3", "ghcr.io/soundextract/converter:1.2.3", "ghcr.io/soundextract/gateway:1.2.3", "ghcr.io/soundextract/notifier:1.2.3",
		}},
		{"v1.2.3-4-gabc+dirty", "global: {imageRegistry: mirror.example.org, externalMongodbSecret: m, externalRabbitmqSecret: r, externalMongodbNetworks: [10.1.0.0/16], externalRabbitmqNetworks: [10.1.0.0/16]}\nmongodb: {enabled: false}\nrabbitmq: {enabled: false}", []string{
			"mirror.example.org/soundextract/auth:v1.2.3-4-gabc-dirty", "mirror.example.org/soundextract/converter:v1.2.3-4-gabc-dirty",
			"mirror.example.org/soundextract/gateway:v1.2.3-4-gabc-dirty", "mirror.example.org/soundextract/notifier:v1.2.3-4-gabc-dirty",
		}},
	} {
		var all map[string]any
		if err := yaml.Unmarshal([]byte(tt.values), &all); err != nil {
			t.Fatal(err)
		}
		rendered, err := release.Render(tt.version, all, release.RenderOptions{Release: "r", Namespace: "n"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := chart.Images(rendered.All())
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.version, got, err, tt.want)
		}
	}
}
