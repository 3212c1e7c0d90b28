package root_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
)

// TestDiffRestarts checks that sx diff names a restart of MongoDB with its reason.
func TestDiffRestarts(t *testing.T) {
	home(t)
	kubeconfig := clitest.Cluster(t, true)
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`http://[0-9.:]+`).FindString(string(text))
	behind, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/apps/v1/namespaces/soundextract/statefulsets/soundextract-mongodb" {
			proxy.ServeHTTP(w, r)
			return
		}
		image := "mongo:7.0.31"
		if r.Method == http.MethodPatch {
			if r.URL.Query().Get("dryRun") != "All" {
				t.Errorf("%s %s is no dry run", r.Method, r.URL)
			}
			image = "mongo:8.0.29"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion": "apps/v1", "kind": "StatefulSet",
			"metadata": {"name": "soundextract-mongodb", "namespace": "soundextract", "labels": {"app.kubernetes.io/managed-by": "Helm"},
				"annotations": {"meta.helm.sh/release-name": "soundextract", "meta.helm.sh/release-namespace": "soundextract"}},
			"spec": {"template": {"spec": {"containers": [{"name": "mongodb", "image": %q}]}}}}`, image)
	}))
	defer server.Close()
	if err := os.WriteFile(kubeconfig, []byte(strings.ReplaceAll(string(text), address, server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	run(t, "diff").wantPart(t, 0, "restarts: soundextract-mongodb: image mongo:7.0.31 → mongo:8.0.29\n")
}
