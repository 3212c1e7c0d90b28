package root_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmd/diff"
	"github.com/soundextract/sx/cli/internal/cmd/history"
	"github.com/soundextract/sx/cli/internal/cmd/install"
	"github.com/soundextract/sx/cli/internal/cmd/rollback"
	"github.com/soundextract/sx/cli/internal/cmd/secrets"
	"github.com/soundextract/sx/cli/internal/cmd/status"
	"github.com/soundextract/sx/cli/internal/cmd/uninstall"
	valuescmd "github.com/soundextract/sx/cli/internal/cmd/values"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/values"
)

// The tests of package cluster and of the commands that use it are here, in one test
// program: each program that links Helm takes seconds to link.

// keep returns a run function that stores the options.
func keep[T any](got *any) func(context.Context, *T) error {
	return func(_ context.Context, opts *T) error {
		*got = *opts
		return nil
	}
}

func TestClusterCommandFlags(t *testing.T) {
	t.Parallel()
	here := cluster.Flags{Namespace: "soundextract", Release: "soundextract"}
	there := cluster.Flags{Context: "lab", Namespace: "music", Release: "sx"}
	at := []string{"--context", "lab", "-n", "music", "--release", "sx", "--json"}
	const wait = cluster.DefaultTimeout
	for name, tt := range map[string]struct {
		newCmd func(f *cmdutil.Factory, got *any) *cobra.Command
		args   []string
		want   any
	}{
		"diff": {newDiff, nil, diff.Options{Cluster: here}},
		"diff with values": {
			newDiff, append(at, "--set", "gateway.replicas=2", "--preset", "production", "--reset-values"),
			diff.Options{Cluster: there, JSON: true, InstallRequest: installer.InstallRequest{
				Flags: values.Flags{Set: []string{"gateway.replicas=2"}, Preset: "production"}, Reset: true,
			}},
		},
		"history":              {newHistory, nil, history.Options{Cluster: here}},
		"history elsewhere":    {newHistory, at, history.Options{Cluster: there, ClusterGiven: true, JSON: true}},
		"install":              {newInstall, nil, install.Options{Cluster: here, InstallOptions: installer.InstallOptions{Wait: true, Timeout: wait}}},
		"install, dry run":     {newInstall, []string{"--dry-run", "--wait=false", "--timeout", "90s"}, install.Options{Cluster: here, DryRun: true, InstallOptions: installer.InstallOptions{Timeout: 90 * time.Second}}},
		"install, roll back":   {newInstall, []string{"--rollback-on-failure"}, install.Options{Cluster: here, InstallOptions: installer.InstallOptions{Wait: true, Timeout: wait, RollbackOnFailure: true}}},
		"values":               {newValues, nil, valuescmd.Options{Cluster: here}},
		"values, all":          {newValues, append(at, "--all"), valuescmd.Options{Cluster: there, All: true, JSON: true}},
		"rollback":             {newRollback, nil, rollback.Options{Cluster: here, Wait: true, Timeout: wait}},
		"rollback to revision": {newRollback, append(at, "3", "--wait=false"), rollback.Options{Cluster: there, Revision: 3, Timeout: wait, JSON: true}},
		"secrets rotate":       {newSecretsRotate, []string{"rabbitmq", "--yes"}, secrets.RotateOptions{Cluster: here, Parts: []string{"rabbitmq"}, Yes: true, Timeout: wait}},
		"secrets rotate all":   {newSecretsRotate, append(at, "all", "-y", "--timeout", "90s"), secrets.RotateOptions{Cluster: there, Parts: installer.Rotatable(), Yes: true, Timeout: 90 * time.Second, JSON: true}},
		"secrets generate":     {newSecretsGenerate, []string{"-n", "music", "--release", "sx"}, secrets.GenerateOptions{Namespace: "music", Release: "sx"}},
		"status":               {newStatus, nil, status.Options{Cluster: here, Timeout: wait}},
		"status, wait":         {newStatus, append(at, "--wait", "--timeout", "5m"), status.Options{Cluster: there, ClusterGiven: true, Wait: true, Timeout: 5 * time.Minute, JSON: true}},
		"uninstall":            {newUninstall, []string{"--yes"}, uninstall.Options{Cluster: here, Yes: true}},
		"uninstall with data":  {newUninstall, append(at, "--wipe-data", "--confirm", "sx"), uninstall.Options{Cluster: there, Wipe: true, Confirm: "sx", JSON: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got any
			if err := clitest.Run(t, tt.newCmd(clitest.Factory(), &got), tt.args...); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.IgnoreTypes(&term.IOStreams{}), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("options (-want +got):\n%s", d)
			}
		})
	}
}

func newDiff(f *cmdutil.Factory, got *any) *cobra.Command {
	return diff.NewCmd(f, keep[diff.Options](got))
}

func newHistory(f *cmdutil.Factory, got *any) *cobra.Command {
	return history.NewCmd(f, keep[history.Options](got))
}

func newInstall(f *cmdutil.Factory, got *any) *cobra.Command {
	return install.NewCmd(f, keep[install.Options](got))
}

func newRollback(f *cmdutil.Factory, got *any) *cobra.Command {
	return rollback.NewCmd(f, keep[rollback.Options](got))
}

func newSecretsRotate(f *cmdutil.Factory, got *any) *cobra.Command {
	return secrets.NewCmdRotate(f, keep[secrets.RotateOptions](got))
}

func newSecretsGenerate(f *cmdutil.Factory, got *any) *cobra.Command {
	return secrets.NewCmdGenerate(f, keep[secrets.GenerateOptions](got))
}

func newStatus(f *cmdutil.Factory, got *any) *cobra.Command {
	return status.NewCmd(f, keep[status.Options](got))
}

func newUninstall(f *cmdutil.Factory, got *any) *cobra.Command {
	return uninstall.NewCmd(f, keep[uninstall.Options](got))
}

func newValues(f *cmdutil.Factory, got *any) *cobra.Command {
	return valuescmd.NewCmd(f, keep[valuescmd.Options](got))
}

func TestClusterWithoutRelease(t *testing.T) {
	home(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, false))
	for _, args := range [][]string{{"history"}, {"values"}, {"status"}, {"status", "--wait"}, {"rollback"}, {"secrets", "rotate", "all", "--yes"}} {
		run(t, args...).wantPart(t, 65, "soundextract", "sx install")
	}
	run(t, "uninstall", "--yes").want(t, 0, "", "release soundextract is not installed in namespace soundextract\n")
}

func TestClusterWithRelease(t *testing.T) {
	home(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, true))
	run(t, "history").wantPart(t, 0, "1\tdeployed\tdev\t")
	run(t, "history", "--json").wantPart(t, 0, `"revision":1`, `"status":"deployed"`)
	run(t, "status").wantPart(t, 69, "soundextract dev in namespace soundextract of context test: revision 1, deployed ", "no workloads")
	run(t, "status", "--json").wantPart(t, 69, `"ready":false`, `"namespace":"soundextract"`, `"name":"soundextract"`, `"context":"test"`)
	run(t, "values").wantPart(t, 0, "all values are the chart's defaults")
	run(t, "values", "--all").wantPart(t, 0, "gateway.quota\t50GiB\tdefault\n")
	run(t, "values", "--json", "--all").wantPart(t, 0, `{"name":"gateway.quota","value":"50GiB","source":{"from":"default"}}`)
	run(t, "rollback").wantPart(t, 65, "no earlier revision")
	run(t, "rollback", "7").wantPart(t, 65, "revision 7")
}

func TestInstallRefused(t *testing.T) {
	home(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, false))
	const hint = "list the classes with: kubectl -n music get storageclass"
	run(t, "install", "-n", "music").wantPart(t, 1, "render the chart: SoundExtract dev, preset quickstart", "✗ check the cluster", "2 volumes name no storage class", hint)
	run(t, "install", "-n", "music", "--json").wantPart(t, 1, `"step":"check the cluster","state":"failed"`, `"code":"conflict"`, hint)
}

func TestInstallDryRun(t *testing.T) {
	home(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, false))
	run(t, "install", "--dry-run", "--set", "gateway.replicas=7").wantPart(t, 0,
		"name: soundextract-gateway", "replicas: 7", "warning: namespace soundextract does not exist yet")
	run(t, "install", "--dry-run", "--set", "gateway.replicas=many").wantPart(t, 65, "gateway.replicas")
}

func TestDiff(t *testing.T) {
	home(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, false))
	run(t, "diff", "--set", "gateway.replicas=7").wantPart(t, 0, "+++ Deployment/soundextract-gateway", "+  replicas: 7")
	run(t, "diff", "--json").wantPart(t, 0, `"object":"Deployment/soundextract-gateway","change":"added"`)
}
