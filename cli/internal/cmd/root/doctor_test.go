package root_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmd/doctor"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

func TestDoctorFlags(t *testing.T) {
	t.Parallel()
	streams, _, _ := term.Test("")
	var got *doctor.Options
	cmd := doctor.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *doctor.Options) error { got = o; return nil })
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"-n", "music", "--json"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := doctor.Options{Cluster: cluster.Flags{Namespace: "music", Release: kube.DefaultRelease}, ClusterGiven: true, JSON: true}
	if diff := clitest.DiffOptions(want, *got); diff != "" {
		t.Error(diff)
	}
	cmd.SetArgs([]string{"music"})
	if err := cmd.ExecuteContext(t.Context()); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("an argument: got %v", err)
	}
}

// runDoctor runs sx doctor on a cluster; the configured server does not respond.
func runDoctor(t *testing.T, streams *term.IOStreams, args ...string) error {
	t.Helper()
	t.Setenv("KUBECACHEDIR", t.TempDir())
	const address = "http://127.0.0.1:1"
	f := &cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Server: address, Values: []config.Value{{Key: "server", Value: address, Source: "flag"}}}, nil
		},
		Transport: func() (http.RoundTripper, error) { return http.DefaultTransport, nil },
		Account: func() (*session.Account, error) {
			return session.NewAccount("test", address, session.OpenStore(t.TempDir(), nil), http.DefaultTransport)
		},
	}
	cmd := doctor.NewCmd(f, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(t.Context())
}

func checkResults(t *testing.T, text string) map[string]check.Result {
	t.Helper()
	all := map[string]check.Result{}
	for line := range strings.Lines(text) {
		var r check.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if _, twice := all[r.ID]; twice {
			t.Errorf("%s was asked twice", r.ID)
		}
		all[r.ID] = r
	}
	return all
}

// TestDoctorOfEmptyCluster checks that without a release only the preflight checks run.
func TestDoctorOfEmptyCluster(t *testing.T) {
	streams, out, _ := term.Test("")
	err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, false), "--json")
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitProblems {
		t.Errorf("got %v", err)
	}
	all := checkResults(t, out.String())
	if len(all) != len(check.Preflight()) || all["api"].Outcome != check.OK || all["storage-class"].Outcome != check.FoundFatal || all["release-state"].Outcome != check.OutcomeSkipped {
		t.Errorf("got %+v", all)
	}
}

// TestDoctorWithValues checks that what the given values need is checked, for a first install and for
// one that exists.
func TestDoctorWithValues(t *testing.T) {
	for _, installed := range []bool{false, true} {
		streams, out, _ := term.Test("")
		err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, installed), "--json", "--preset", "production",
			"--set", "gateway.ingress.enabled=true,gateway.ingress.className=edge,notifier.smtp.addr=mail.example.org:25,notifier.smtp.from=sx@example.org,notifier.smtp.secret=mail")
		if cmdutil.ErrorCode(err).ExitCode() != sx.ExitProblems {
			t.Errorf("got %v", err)
		}
		all := checkResults(t, out.String())
		if all["ingress-class"].Outcome != check.FoundFatal || !strings.Contains(all["secrets"].Message, "mail") || all["autoscaling"].Outcome != check.FoundWarning {
			t.Errorf("installed %v: got %+v", installed, all)
		}
	}
	streams, _, _ := term.Test("")
	if err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, false), "--set", "gatway.replicas=2"); cmdutil.ErrorCode(err) != sx.CodeInvalid {
		t.Errorf("a wrong value: got %v", err)
	}
}

func TestDoctorRole(t *testing.T) {
	streams, out, _ := term.Test("")
	if err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, false), "-n", "music", "--role"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Role\n", "namespace: music\n", "- deletecollection\n", "kind: ClusterRoleBinding\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// TestDoctorOfInstallation checks that a release and the configured server are checked too.
func TestDoctorOfInstallation(t *testing.T) {
	streams, out, _ := term.Test("")
	err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, true), "--json")
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitProblems {
		t.Errorf("got %v", err)
	}
	all := checkResults(t, out.String())
	for id, want := range map[string]check.Outcome{
		"api": check.OK, "release-state": check.OK, "workloads": check.FoundFatal, "dependencies": check.FoundFatal,
		"server": check.FoundFatal, "interrupted-upload": check.OutcomeSkipped, "quota": check.OutcomeSkipped,
	} {
		if all[id].Outcome != want {
			t.Errorf("%s: got %+v, want %s", id, all[id], want)
		}
	}
}

// TestDoctorRemovesItsUpload checks that the upload with which doctor looks for proxies
// that buffer leaves nothing behind.
func TestDoctorRemovesItsUpload(t *testing.T) {
	signIn(t)
	t.Setenv("KUBECONFIG", clitest.Cluster(t, true))
	r := run(t, "doctor", "-n", "soundextract", "--json")
	if result := checkResults(t, r.out)["interrupted-upload"]; result.Outcome != check.OK {
		t.Errorf("got %+v", result)
	}
	run(t, "jobs", "--json").wantPart(t, 0, "[]")
}

// TestDoctorTerminal checks that the columns fit and that each problem has a hint.
func TestDoctorTerminal(t *testing.T) {
	streams, out, _ := term.Test("")
	streams.OutTTY, streams.Color = true, true
	if err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, false)); err == nil {
		t.Error("no problem was found")
	}
	text := out.String()
	for _, want := range []string{"CHECK               RESULT\n", "api                 \x1b[32mok       \x1b[0mthe cluster's API server responds\n", "\x1b[31mfatal    \x1b[0m", "\n                             → "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(text)
	for line := range strings.Lines(plain) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestDoctorNarrowTerminal checks that the text is below the outcome where it has no room.
func TestDoctorNarrowTerminal(t *testing.T) {
	streams, screen := term.TestTerminal("", 40, 200)
	streams.Color = false
	if err := runDoctor(t, streams, "--kubeconfig", clitest.Cluster(t, false)); err == nil {
		t.Error("no problem was found")
	}
	text := strings.ReplaceAll(string(screen.Bytes()), "\r\n", "\n")
	if want := "api                 ok\n  the cluster's API server responds\n"; !strings.Contains(text, want) {
		t.Errorf("%q is missing in\n%s", want, text)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 40 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestDoctorOfUnreachableCluster checks that if the API server does not respond, no other check runs.
func TestDoctorOfUnreachableCluster(t *testing.T) {
	streams, out, _ := term.Test("")
	path := clitest.UnreachableCluster(t)
	err := runDoctor(t, streams, "--kubeconfig", path)
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitProblems || !strings.Contains(err.Error(), "1 fatal problem") {
		t.Errorf("got %v", err)
	}
	if fields := strings.Split(strings.TrimSpace(out.String()), "\t"); len(fields) != 5 || fields[0] != "api" || fields[1] != "fatal" {
		t.Errorf("got %q", out)
	}
}
