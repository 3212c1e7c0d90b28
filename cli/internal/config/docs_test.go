package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/config"
)

// TestDocumentedFiles loads the config files of docs/install.md.
func TestDocumentedFiles(t *testing.T) {
	text, err := os.ReadFile("../../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, part := range strings.Split(string(text), "\n```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```\n")
		if !strings.HasPrefix(block, "context:") {
			continue
		}
		found++
		write(t, block)
		c, err := config.Load(flags(t))
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
			continue
		}
		if c.Server == "" && c.Kubernetes == (config.Kubernetes{}) {
			t.Errorf("no server in\n%s", block)
		}
	}
	if found < 2 {
		t.Errorf("%d config files were found", found)
	}
}
