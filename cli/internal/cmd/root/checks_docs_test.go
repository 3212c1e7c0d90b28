package root_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/doctor"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
)

// TestChecksAreDocumented checks that docs/checks.md has a section for each check, and no other.
func TestChecksAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, existing []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)\n(.+)$`).FindAllStringSubmatch(string(raw), -1) {
		documented = append(documented, m[1])
	}
	for _, c := range slices.Concat(check.Preflight(), check.Running(), check.Status()) {
		existing = append(existing, c.ID)
	}
	existing = append(existing, localChecks(t)...)
	slices.Sort(existing)
	existing = slices.Compact(existing)
	for _, id := range existing {
		if !slices.Contains(documented, id) {
			t.Errorf("docs/checks.md has no section for the check %s", id)
		}
	}
	for _, id := range documented {
		if !slices.Contains(existing, id) {
			t.Errorf("docs/checks.md has a section %q, which is no check", id)
		}
	}
}

// localChecks returns the IDs of the checks of a local server.
func localChecks(t *testing.T) []string {
	t.Helper()
	streams, out, _ := term.Test("")
	dir := t.TempDir()
	cmd := doctor.NewCmd(&cmdutil.Factory{IO: streams, Config: func() (*config.Config, error) { return &config.Config{Data: dir}, nil }}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--json"})
	_ = cmd.ExecuteContext(t.Context()) // the server does not run
	var ids []string
	for id := range checkResults(t, out.String()) {
		ids = append(ids, id)
	}
	if len(ids) == 0 || strings.Contains(out.String(), `"api"`) {
		t.Fatalf("these are not the checks of a local server:\n%s", out)
	}
	return ids
}
