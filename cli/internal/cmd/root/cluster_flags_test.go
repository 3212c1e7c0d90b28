package root_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/install/kube"
)

func TestClusterFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   []string
		target kube.Target
		line   string
	}{
		{nil, kube.Target{Namespace: "soundextract"}, "sx status"},
		{
			[]string{"--context", "lab", "-n", "music", "--release", "sx", "--kubeconfig", "k"},
			kube.Target{Kubeconfig: "k", Context: "lab", Namespace: "music"},
			"sx status --kubeconfig k --context lab -n music --release sx",
		},
	} {
		var f cluster.Flags
		cmd := &cobra.Command{Use: "x"}
		f.Add(cmd)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		if f.Target() != tt.target || f.Line("status") != tt.line {
			t.Errorf("%v: got %+v, %s", tt.args, f.Target(), f.Line("status"))
		}
	}
}

// TestCompletionOfContexts checks that completion lists the contexts of the given kubeconfig, and nothing
// if there is none.
func TestCompletionOfContexts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncontexts: [{name: work, context: {cluster: a, user: b}}, {name: lab, context: {cluster: a, user: b}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for kubeconfig, want := range map[string][]string{path: {"lab", "work"}, path + ".missing": nil} {
		var f cluster.Flags
		cmd := &cobra.Command{Use: "x"}
		cmd.SetContext(t.Context())
		f.Add(cmd)
		if err := cmd.ParseFlags([]string{"--kubeconfig", kubeconfig}); err != nil {
			t.Fatal(err)
		}
		complete, ok := cmd.GetFlagCompletionFunc("context")
		if !ok {
			t.Fatal("--context has no completion")
		}
		got, directive := complete(cmd, nil, "")
		if !slices.Equal(got, want) || directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("%s: got %v, %v", kubeconfig, got, directive)
		}
	}
}
