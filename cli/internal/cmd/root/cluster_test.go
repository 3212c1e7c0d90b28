package root_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Invalid arguments are reported before any request to a cluster.
func TestClusterCommandUsageErrors(t *testing.T) {
	dir := home(t)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	tests := []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"install", "--preset", "enormous"}, 64, []string{"quickstart", "production"}},
		{[]string{"install", "--dry-run", "--json"}, 64, []string{"--dry-run and --json are mutually exclusive"}},
		{[]string{"install", "--kubeconfig", "nowhere"}, 65, []string{"nowhere", "--kubeconfig"}},
		{[]string{"status", "-n", "Bad_Name"}, 65, []string{`"Bad_Name" cannot be the name of a namespace`, "hint: list the namespaces with: kubectl get namespaces"}},
		{[]string{"install", "talk.mp4"}, 64, []string{"usage: sx install"}},
		{[]string{"rollback", "first"}, 64, []string{`invalid revision "first"`}},
		{[]string{"rollback", "0"}, 64, []string{"must be a positive number"}},
		{[]string{"uninstall"}, 64, []string{"add --yes"}},
		{[]string{"uninstall", "--wipe-data", "--yes"}, 64, []string{"--wipe-data", "--confirm soundextract"}},
		{[]string{"uninstall", "--wipe-data", "--confirm", "other"}, 64, []string{"nothing was removed"}},
		{[]string{"uninstall", "--confirm", "soundextract"}, 64, []string{"--confirm requires --wipe-data"}},
		{[]string{"secrets", "rotate", "passwords", "--yes"}, 64, []string{"auth-keys, rabbitmq, mongodb, all"}},
		{[]string{"secrets", "rotate", "all"}, 64, []string{"add --yes"}},
		{[]string{"secrets", "rotate"}, 64, []string{"usage: sx secrets rotate PART"}},
		{[]string{"history", "1"}, 64, []string{"usage: sx history"}},
		{[]string{"diff", "soundextract"}, 64, []string{"usage: sx diff"}},
	}
	for _, tt := range tests {
		run(t, tt.args...).wantPart(t, tt.code, tt.words...)
	}
}

// With a kubeconfig of an unreachable cluster every command reports that, and none hangs.
func TestUnreachableCluster(t *testing.T) {
	dir := home(t)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	err := os.WriteFile(kubeconfig, []byte(`apiVersion: v1
kind: Config
current-context: far away
contexts: [{name: far away, context: {cluster: away, user: nobody}}, {name: near, context: {cluster: away, user: nobody}}]
clusters: [{name: away, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	for _, args := range [][]string{
		{"install"},
		{"install", "--dry-run"},
		{"status"},
		{"diff"},
		{"history"},
		{"rollback"},
		{"uninstall", "--yes"},
		{"secrets", "rotate", "all", "--yes"},
	} {
		run(t, args...).wantPart(t, 69, "cluster far away does not respond", "with: kubectl -n soundextract get nodes")
	}
	run(t, "status", "--context", "near").wantPart(t, 69, "cluster near does not respond", "with: kubectl --context near -n soundextract get nodes")
}
