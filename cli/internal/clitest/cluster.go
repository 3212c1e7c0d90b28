package clitest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// object is a JSON object.
type object = map[string]any

// Cluster starts a minimal Kubernetes API server that ends with the test, and
// returns the path of a kubeconfig for it. It allows everything and has no objects,
// except, if installed, a deployed release soundextract in the namespace of that name.
func Cluster(tb testing.TB, installed bool) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/openapi/v2" {
			return // an empty document, as Protocol Buffers: no schema to validate with
		}
		w.Header().Set("Content-Type", "application/json")
		status, body := answer(r, installed)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	tb.Cleanup(server.Close)
	return kubeconfig(tb, server.URL)
}

// UnreachableCluster returns the path of a kubeconfig for a cluster that does not
// answer.
func UnreachableCluster(tb testing.TB) string {
	tb.Helper()
	return kubeconfig(tb, "http://127.0.0.1:1")
}

func kubeconfig(tb testing.TB, server string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: %q}}]
users: [{name: test, user: {token: x}}]
`, server)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func answer(r *http.Request, installed bool) (int, object) {
	switch path := r.URL.Path; {
	case path == "/version":
		return http.StatusOK, object{"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
	case path == "/api":
		return http.StatusOK, object{"kind": "APIVersions", "versions": []string{"v1"}}
	case path == "/apis":
		return http.StatusOK, object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()}
	case path == "/api/v1", kinds[strings.TrimPrefix(path, "/apis/")] != nil:
		group := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")
		return http.StatusOK, object{"kind": "APIResourceList", "groupVersion": group, "resources": resources(kinds[group])}
	case strings.HasSuffix(path, "/selfsubjectaccessreviews"):
		return http.StatusCreated, object{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": object{}, "status": object{"allowed": true}}
	case installed && strings.HasSuffix(path, "/namespaces/soundextract/secrets"):
		return http.StatusOK, object{"items": []any{release()}}
	case list(path):
		return http.StatusOK, object{"items": []any{}}
	}
	return http.StatusNotFound, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": http.StatusNotFound}
}

// kinds are the kinds of the chart's objects, by group and version.
var kinds = map[string]map[string]string{
	"v1":                   {"configmaps": "ConfigMap", "pods": "Pod", "secrets": "Secret", "serviceaccounts": "ServiceAccount", "services": "Service"},
	"apps/v1":              {"deployments": "Deployment", "statefulsets": "StatefulSet"},
	"networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
	"policy/v1":            {"poddisruptionbudgets": "PodDisruptionBudget"},
}

func groups() []any {
	var all []any
	for _, groupVersion := range slices.Sorted(maps.Keys(kinds)) {
		if name, version, found := strings.Cut(groupVersion, "/"); found {
			v := object{"groupVersion": groupVersion, "version": version}
			all = append(all, object{"name": name, "versions": []any{v}, "preferredVersion": v})
		}
	}
	return all
}

func resources(of map[string]string) []any {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, object{"name": name, "kind": of[name], "namespaced": true, "verbs": []string{"get", "list", "create", "patch", "delete"}})
	}
	return all
}

// list reports whether path lists the objects of a kind.
func list(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	const namespaced = 2 // namespaces/NAME comes before the kind
	kind := parts[2:]
	if parts[0] == "apis" {
		kind = parts[3:]
	}
	if len(kind) > namespaced && kind[0] == "namespaces" {
		kind = kind[namespaced:]
	}
	return len(kind) == 1
}

// release returns the Secret in which Helm stores a release.
func release() object {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_ = json.NewEncoder(zip).Encode(object{
		"name": "soundextract", "namespace": "soundextract", "version": 1, "manifest": "", "info": object{"status": "deployed"},
		"chart": object{"metadata": object{"name": "soundextract", "version": "0.0.0", "appVersion": "dev"}},
	})
	_ = zip.Close() // a buffer does not fail
	inner := base64.StdEncoding.EncodeToString(packed.Bytes())
	return object{
		"metadata": object{
			"name": "sh.helm.release.v1.soundextract.v1", "namespace": "soundextract",
			"labels": object{"owner": "helm", "name": "soundextract", "version": "1", "status": "deployed"},
		},
		"type": "helm.sh/release.v1", "data": object{"release": base64.StdEncoding.EncodeToString([]byte(inner))},
	}
}
