package root_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/images"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func runImages(t *testing.T, args ...string) (string, error) {
	t.Helper()
	streams, out, _ := term.Test("")
	cmd := images.NewCmd(&cmdutil.Factory{IO: streams}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestImages(t *testing.T) {
	t.Parallel()
	out, err := runImages(t)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 6 || !slices.IsSorted(lines) || !slices.Contains(lines, "ghcr.io/soundextract/converter:"+sx.Version) {
		t.Errorf("got %q", lines)
	}
	out, err = runImages(t, "--json", "--image-registry", "mirror.example.org", "--set", "gateway.image.tag=other")
	if err != nil {
		t.Fatal(err)
	}
	var result struct{ Images []string }
	if err := json.Unmarshal([]byte(out), &result); err != nil || !slices.Contains(result.Images, "mirror.example.org/soundextract/gateway:other") {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err := runImages(t, "--set", "gatway.image.tag=x"); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("a wrong value: got %v", err)
	}
}
