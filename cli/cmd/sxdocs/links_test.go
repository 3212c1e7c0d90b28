package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks checks that the files and pictures to which the docs link exist, that each picture
// has a text, and that each in docs/images is shown.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`(!?)\[([^\]]*)\]\(([^)#\s]+)[^)]*\)`)
	shown := map[string]bool{}
	for _, path := range texts(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			picture, text, to := m[1] != "", m[2], m[3]
			if strings.Contains(to, "://") {
				continue
			}
			file := filepath.Join(filepath.Dir(path), to)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which does not exist", filepath.Base(path), to)
			}
			if picture && text == "" {
				t.Errorf("the picture %s in %s has no text for those who do not see it", to, filepath.Base(path))
			}
			shown[file] = true
		}
	}
	pictures, err := filepath.Glob(filepath.Join(top, "docs", "images", "*"))
	if err != nil || len(pictures) == 0 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	for _, file := range pictures {
		if !shown[file] {
			t.Errorf("no text shows %s", file)
		}
	}
}
