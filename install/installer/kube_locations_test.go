package installer_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soundextract/sx/install/kube"
)

func TestContexts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncontexts: [{name: work, context: {cluster: a, user: b}}, {name: lab, context: {cluster: a, user: b}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := kube.Contexts(path)
	if err != nil || !slices.Equal(names, []string{"lab", "work"}) {
		t.Errorf("got %v, %v", names, err)
	}
	if _, err := kube.Contexts(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing kubeconfig is not an error")
	}
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	cluster := &kube.Cluster{Client: fake.NewClientset(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "music"}},
	)}
	names, err := kube.Namespaces(t.Context(), cluster)
	if err != nil || !slices.Equal(names, []string{"default", "music"}) {
		t.Errorf("got %v, %v", names, err)
	}
}
