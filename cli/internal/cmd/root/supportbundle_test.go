package root_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/supportbundle"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func runSupportBundle(t *testing.T, args ...string) (out, errOut string, err error) {
	t.Helper()
	t.Setenv("KUBECACHEDIR", t.TempDir())
	streams, o, e := term.Test("")
	f := &cmdutil.Factory{IO: streams, Config: func() (*config.Config, error) { return &config.Config{}, nil }}
	cmd := supportbundle.NewCmd(f, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func TestSupportBundle(t *testing.T) {
	kubeconfig := clitest.Cluster(t, true)
	t.Chdir(t.TempDir())
	out, errOut, err := runSupportBundle(t, "--kubeconfig", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSpace(out)
	if !regexp.MustCompile(`^sx-support-soundextract-\d{8}T\d{6}Z\.tar\.gz$`).MatchString(path) {
		t.Errorf("it printed %q", out)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v, %v", info, err)
	}
	if !strings.Contains(errOut, "review it before you share it") {
		t.Errorf("it said %q", errOut)
	}

	out, _, err = runSupportBundle(t, "--kubeconfig", kubeconfig, "--json", "-o", "b.tar.gz")
	var result struct {
		Path  string
		Bytes int64
		Files int
	}
	if err != nil || json.Unmarshal([]byte(out), &result) != nil {
		t.Fatalf("got %s, %v", out, err)
	}
	if info, err := os.Stat("b.tar.gz"); err != nil || result.Path != "b.tar.gz" || result.Bytes != info.Size() || result.Files < 3 {
		t.Errorf("got %+v, %v", result, err)
	}

	before, _ := os.ReadFile("b.tar.gz")
	if _, _, err := runSupportBundle(t, "--kubeconfig", kubeconfig, "-o", "b.tar.gz"); sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a file in the way: got %v", err)
	}
	if after, _ := os.ReadFile("b.tar.gz"); string(after) != string(before) {
		t.Error("the file in the way was changed")
	}
	if _, _, err := runSupportBundle(t, "--kubeconfig", kubeconfig, "-o", filepath.Join("no", "directory")); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("no directory: got %v", err)
	}
}

// TestSupportBundleOfUnreachableCluster checks that nothing is written if the cluster does not respond.
func TestSupportBundleOfUnreachableCluster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	_, _, err := runSupportBundle(t, "--kubeconfig", clitest.UnreachableCluster(t), "-o", path)
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitUnreachable {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an archive was left")
	}
}
