package cmdutil_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestWarningReference checks that docs/errors.md explains each code of a warning, and no other.
func TestWarningReference(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(raw), "\n## Warnings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section, -1) {
		explained = append(explained, row[1])
	}
	slices.Sort(explained)
	if !slices.Equal(explained, sx.WarningCodes()) {
		t.Errorf("docs/errors.md explains %v, want %v", explained, sx.WarningCodes())
	}
}

// TestErrorReference checks that docs/errors.md has a section with cause and remedy for
// each code, and none for a code that does not exist.
func TestErrorReference(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[sx.Code]bool{}
	for _, c := range slices.Concat(sx.Codes(), sx.ClientCodes()) {
		known[c] = true
	}
	for _, section := range strings.Split(string(raw), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		if !known[sx.Code(name)] {
			t.Errorf("docs/errors.md explains %q, which is not a code or is explained twice", name)
		}
		if !strings.Contains(body, "Cause: ") || !strings.Contains(body, "What to do: ") {
			t.Errorf("the section of %s does not say the cause and what to do", name)
		}
		delete(known, sx.Code(name))
	}
	for c := range known {
		t.Errorf("docs/errors.md does not explain %s", c)
	}
}
