package service_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// repository is the root of the repository.
const repository = "../../.."

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// matches returns the sorted first groups of all matches of the pattern in a file.
func matches(t *testing.T, path, pattern string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestServices checks that files that cannot use sx.Services list the same
// services.
func TestServices(t *testing.T) {
	t.Parallel()
	list := strings.Join(sx.Services(), " ")
	want := slices.Sorted(slices.Values(sx.Services()))
	for _, name := range want {
		if _, err := os.Stat(filepath.Join(repository, "server/cmd", name, "main.go")); err != nil {
			t.Error(err)
		}
		read(t, "charts/soundextract/charts/"+name+"/Chart.yaml")
	}
	files, err := filepath.Glob(filepath.Join(repository, "server/images/*.Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, file := range files {
		images = append(images, strings.TrimSuffix(filepath.Base(file), ".Dockerfile"))
	}
	if !slices.Equal(images, want) {
		t.Errorf("server/images has %v, want %v", images, want)
	}
	for path, pattern := range map[string]string{
		"goreleaser.yaml":                 `images: \[ghcr\.io/soundextract/([a-z]+)\]`,
		"charts/soundextract/values.yaml": `repository: soundextract/([a-z]+)`,
	} {
		if got := matches(t, path, pattern); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", path, got, want)
		}
	}
	for path, line := range map[string]string{
		"Makefile":       "SERVICES := " + list + "\n",
		"scripts/images": "for service in " + list + "; do\n",
	} {
		if !strings.Contains(read(t, path), line) {
			t.Errorf("%s does not contain %q", path, line)
		}
	}
}
