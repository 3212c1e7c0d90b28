package installer_test

import (
	"testing"

	"github.com/soundextract/sx/install/kube"
)

func TestSuggestedCommands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target      kube.Target
		release     string
		kubectl, sx string
	}{
		{
			kube.Target{Namespace: kube.DefaultNamespace},
			kube.DefaultRelease,
			"kubectl -n soundextract get pods", "sx status",
		},
		{
			kube.Target{Kubeconfig: "my config", Context: "my cluster", Namespace: "music"},
			"sound",
			"kubectl --kubeconfig 'my config' --context 'my cluster' -n music get pods",
			"sx status --kubeconfig 'my config' --context 'my cluster' -n music --release sound",
		},
	} {
		if got := tt.target.Kubectl("get", "pods"); got != tt.kubectl {
			t.Errorf("got %s, want %s", got, tt.kubectl)
		}
		if got := tt.target.SX(tt.release, "status"); got != tt.sx {
			t.Errorf("got %s, want %s", got, tt.sx)
		}
	}
}
