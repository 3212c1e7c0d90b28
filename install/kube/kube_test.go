package kube_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/soundextract/sx/install/kube"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
users: [{name: me, user: {token: secret}}]
`

func TestKubernetesLogsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.Connect(kube.Target{Kubeconfig: path}); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr                                           //nolint:forbidigo // klog writes to it
	os.Stderr = w                                                 //nolint:forbidigo // klog writes to it
	utilruntime.HandleError(errors.New("a connection has ended")) // as a port-forward does
	os.Stderr = stderr                                            //nolint:forbidigo // klog writes to it
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if written, err := io.ReadAll(r); err != nil || len(written) > 0 {
		t.Errorf("Kubernetes' packages wrote %q to stderr, %v", written, err)
	}
}
