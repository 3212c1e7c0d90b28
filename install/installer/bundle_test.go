package installer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/soundextract/sx/install/bundle"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
)

const (
	password = "Pa55wordOfTheQueue"
	key      = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIKnotarealkeyatall0123456789abcdef\n-----END PRIVATE KEY-----\n"
)

func labelled(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "music", Labels: map[string]string{"app.kubernetes.io/instance": "soundextract"}}
}

func bundledSecrets(t *testing.T) []corev1.Secret {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_ = json.NewEncoder(zip).Encode(map[string]any{
		"name": "soundextract", "version": 3, "info": map[string]string{"status": "deployed"}, "manifest": password,
		"config": map[string]any{"auth": map[string]any{"logLevel": "warn"}, "smtp": map[string]any{"password": "typedByHand"}, "converter": map[string]any{"replicas": 2, "env": []any{
			map[string]any{"name": "DB_PASSWORD", "value": "fromTheValues"}, map[string]any{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "x-team=ofCollector"},
		}}},
	})
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	helm := corev1.Secret{ObjectMeta: labelled("sh.helm.release.v1.soundextract.v3"), Data: map[string][]byte{
		"release": []byte(base64.StdEncoding.EncodeToString(packed.Bytes())),
	}}
	helm.Labels = map[string]string{"owner": "helm", "name": "soundextract", "version": "3"}
	return []corev1.Secret{
		{ObjectMeta: labelled("soundextract-rabbitmq"), Data: map[string][]byte{
			"username": []byte("soundextract"), "password": []byte(password), "uri": []byte("amqp://soundextract:" + password + "@soundextract-rabbitmq:5672/"),
		}},
		{ObjectMeta: labelled("soundextract-auth-keys"), Data: map[string][]byte{"a.pem": []byte(key)}},
		{ObjectMeta: metav1.ObjectMeta{Name: "of-another", Namespace: "music"}, Data: map[string][]byte{"token": []byte("s3cr3tOfAnother")}},
		helm,
	}
}

// bundledObjects contain secrets in all places where secrets can occur.
func bundledObjects() []runtime.Object {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: labelled("soundextract-gateway-x"),
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "gateway", Args: []string{"--password=onlyHere1"},
			Env: []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "literal-one"}, {Name: "LEVEL", Value: "debug"}, {Name: "SX_AUTH_URL", Value: "http://auth:8741"}, {Name: "BUS", Value: "amqp://u:inTheEnv@host/"}},
		}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "gateway", RestartCount: 1, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: labelled("soundextract-rabbitmq"),
		Data: map[string][]byte{"password": []byte(password)},
	}
	secret.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "stringData: " + password}
	configMap := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: labelled("soundextract-gateway"),
		Data: map[string]string{"conf": "pass " + password + "\n" + key, "auth": base64.StdEncoding.EncodeToString([]byte("soundextract:" + password))},
	}
	return []runtime.Object{pod, secret, configMap}
}

const bundledLog = `level=ERROR msg="cannot dial" uri=amqp://someone:old-pass-word@host:5672/ pw=` + password + `
password=neverStored99 Authorization: Bearer abcdef.ghijkl.mnopqr eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln
` + key + "said sxp_abcdefghijklmnop234567tokenOfSomeone, sxi_ABCDEFGHIJKLMNOP234567invitation, (sxo_ownerownerownerowner22) and url?k=whsec_c2VjcmV0/MTIzNDU2Nzg5MA==\n" +
	"refreshed abcdefghijklmnop." + refresh + "\nthe end\n"

// refresh is the secret part of a refresh token.
const refresh = "0123456789-abcdefghijklmnopqrstuvwxyz_ABCDE"

// bundleServer returns a cluster whose API server is served by this test. The fake of logs
// always returns the same text.
func bundleServer(t *testing.T, forbidden string) *kube.Cluster {
	t.Helper()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/music/")
		switch {
		case forbidden != "" && strings.HasPrefix(path, forbidden):
			w.WriteHeader(http.StatusForbidden)
			write(w, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: 403, Message: "no " + path})
		case path == "secrets":
			write(w, corev1.SecretList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}, Items: bundledSecrets(t)})
		case path == "pods":
			pod := *bundledObjects()[0].(*corev1.Pod)
			write(w, corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{pod}})
		case path == "events":
			write(w, corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, Items: []corev1.Event{{Reason: "Failed", Message: "token=" + password}}})
		case strings.HasSuffix(path, "/log"):
			_, _ = io.WriteString(w, bundledLog)
		case path == "/version":
			write(w, map[string]string{"gitVersion": "v1.34.4"})
		default:
			write(w, corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}, Items: []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}}})
		}
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[schema.GroupVersionResource]string{
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}: "HTTPRouteList",
		{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}:          "ScaledObjectList",
		{Group: "monitoring.coreos.com", Version: "v1", Resource: "podmonitors"}:    "PodMonitorList",
	}
	known := runtime.NewScheme() // a copy for the test, because the fake adds to it
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(known, kinds, bundledObjects()...)
	return &kube.Cluster{Target: kube.Target{Namespace: "music"}, Client: client, Dynamic: dynamic}
}

func writeBundle(t *testing.T, c *kube.Cluster) (map[string]string, bundle.Index) {
	t.Helper()
	var archive bytes.Buffer
	_, err := bundle.Write(t.Context(), &archive, bundle.Options{
		Cluster: c, Release: "soundextract", Version: "1.2.3", Checks: []check.Result{{ID: "queues", Message: "amqp said " + password}},
	})
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "sx-support-soundextract/")] = string(raw)
	}
	var index bundle.Index
	if err := json.Unmarshal([]byte(files["index.json"]), &index); err != nil {
		t.Fatal(err)
	}
	return files, index
}

// TestBundleWithoutSecrets searches every file for every value of every Secret, in full,
// line by line and in base64, and for secrets that are not in a Secret.
func TestBundleWithoutSecrets(t *testing.T) {
	t.Parallel()
	files, index := writeBundle(t, bundleServer(t, ""))
	hidden := []string{
		"typedByHand", "fromTheValues", "ofCollector", "onlyHere1", "literal-one", "inTheEnv", "old-pass-word", "neverStored99", "abcdef.ghijkl", "eyJhbGci", "notarealkey",
		"tokenOfSomeone", "567invitation", "ownerowner", "c2VjcmV0", "MTIzNDU2", refresh,
		base64.StdEncoding.EncodeToString([]byte("soundextract:" + password)),
	}
	for _, s := range bundledSecrets(t) {
		for k, v := range s.Data {
			if k != "username" {
				hidden = append(hidden, string(v), strings.TrimSpace(string(v)), base64.StdEncoding.EncodeToString(v), base64.RawStdEncoding.EncodeToString(v))
			}
		}
	}
	for path, text := range files {
		for _, h := range hidden {
			if strings.Contains(text, h) {
				t.Errorf("%s contains %q", path, h)
			}
		}
	}
	for _, shown := range [][2]string{
		{"objects/pods.yaml", "debug"},
		{"objects/pods.yaml", "http://auth:8741"},
		{"objects/secrets.yaml", "***removed***"},
		{"objects/configmaps.yaml", "conf"},
		{"logs/soundextract-gateway-x/gateway.log", "the end"},
		{"logs/soundextract-gateway-x/gateway.previous.log", "cannot dial"},
		{"events.json", "Failed"},
		{"cluster/nodes.json", "node-1"},
		{"cluster/version.json", "v1.34.4"},
		{"checks.json", "queues"},
		{"helm/revision-3.json", `"replicas": 2`},
		{"helm/revision-3.json", `"logLevel": "warn"`},
		{"sx.json", "1.2.3"},
	} {
		if path, words := shown[0], shown[1]; !strings.Contains(files[path], words) {
			t.Errorf("%s lacks %q:\n%s", path, words, files[path])
		}
	}
	for _, e := range index.Entries {
		if _, there := files[e.Path]; !there || e.Error != "" || e.Bytes != len(files[e.Path]) {
			t.Errorf("the index has %+v", e)
		}
	}
}

// TestBundleForbidden checks that files that may not be read are named in the index,
// and that all others are collected.
func TestBundleForbidden(t *testing.T) {
	t.Parallel()
	for forbidden, missing := range map[string]string{"events": "events.json", "pods": "logs", "secrets": "secrets"} {
		files, index := writeBundle(t, bundleServer(t, forbidden))
		found := false
		for _, e := range index.Entries {
			found = found || e.Path == missing && e.Error != ""
		}
		if !found || files["objects/pods.yaml"] == "" {
			t.Errorf("without %s: %+v", forbidden, index.Entries)
		}
	}
}
