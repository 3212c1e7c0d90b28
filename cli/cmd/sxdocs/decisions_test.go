package main_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDecisions checks that docs/decisions/README.md lists each page once, in order, and
// that each page has a title with its number and the four sections.
func TestDecisions(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(top, "docs/decisions")
	paths, err := filepath.Glob(filepath.Join(dir, "[0-9]*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d pages, %v", len(paths), err)
	}
	var listed, exist []string
	for _, row := range regexp.MustCompile(`(?m)^\| \[\d{4}\]\(([^)]*)\) \|`).FindAllStringSubmatch(read(t, filepath.Join(dir, "README.md")), -1) {
		listed = append(listed, row[1])
	}
	for _, path := range paths {
		name, text := filepath.Base(path), read(t, path)
		exist = append(exist, name)
		if !strings.HasPrefix(text, "# "+name[:4]+": ") {
			t.Errorf("the title of %s does not begin with its number", name)
		}
		for _, section := range []string{"Context", "Decision", "Alternatives", "Consequences"} {
			if !strings.Contains(text, "\n## "+section) {
				t.Errorf("%s has no section %s", name, section)
			}
		}
	}
	if !slices.Equal(listed, exist) {
		t.Errorf("README.md lists\n%q\nthe pages are\n%q", listed, exist)
	}
}
