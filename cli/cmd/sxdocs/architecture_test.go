package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	mapRow   = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	// repoPath matches the code spans that are paths in the repository, and not flags,
	// commands or URLs.
	repoPath = regexp.MustCompile(`^(?:cli|server|install|charts|docs|scripts|demo|\.github|\.devcontainer)/[A-Za-z0-9_./-]+$`)
)

// TestPackageMap compares the list of packages in docs/architecture.md with the tree.
// Commands have one row for all of them, and the tests' own packages have none.
func TestPackageMap(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, filepath.Join(top, "docs/architecture.md")), "\n## Packages\n")
	var listed []string
	for _, row := range mapRow.FindAllStringSubmatch(section, -1) {
		for _, span := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			listed = append(listed, span[1])
		}
	}
	exists := packages(t)
	for _, p := range exists {
		if !slices.Contains(listed, p) {
			t.Errorf("docs/architecture.md does not list the package %s", p)
		}
	}
	for _, p := range listed {
		if !slices.Contains(exists, p) {
			t.Errorf("docs/architecture.md lists %s, which is not a package", p)
		}
	}
}

func packages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, module := range []string{"server", "install", "charts", "cli"} {
		err := filepath.WalkDir(filepath.Join(top, module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			name, err := filepath.Rel(top, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			switch {
			case name == "cli/internal/cmd":
				all = append(all, name+"/…")
				return fs.SkipDir
			case d.Name() == "testdata", isTestSupport(name):
				return fs.SkipDir
			case hasCode(t, path):
				all = append(all, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// isTestSupport reports whether the directory contains only helpers of tests.
func isTestSupport(name string) bool {
	switch name {
	case "cli/acceptance", "cli/internal/clitest", "install/e2e", "install/scripttest",
		"server/acceptance", "server/testkit/mongodb/standin", "server/testkit/devstack", "server/testkit/gridfs":
		return true
	}
	return false
}

func hasCode(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// TestPathsInDocs checks that each path in the docs exists. NAME in a path is a
// placeholder.
func TestPathsInDocs(t *testing.T) {
	t.Parallel()
	for _, path := range texts(t) {
		for _, span := range codeSpan.FindAllStringSubmatch(read(t, path), -1) {
			if !repoPath.MatchString(span[1]) || strings.Contains(span[1], "NAME") {
				continue
			}
			if _, err := os.Stat(filepath.Join(top, span[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", filepath.Base(path), span[1])
			}
		}
	}
}

// TestFilesInArchitecture looks for the files that docs/architecture.md names
// without their directories: each is in a directory that the same paragraph names.
func TestFilesInArchitecture(t *testing.T) {
	t.Parallel()
	file := regexp.MustCompile(`^(?:[a-z0-9]+/)?[a-z0-9_]+\.go$`)
	for paragraph := range strings.SplitSeq(read(t, filepath.Join(top, "docs/architecture.md")), "\n\n") {
		var dirs []string
		for _, span := range codeSpan.FindAllStringSubmatch(paragraph, -1) {
			if repoPath.MatchString(span[1]) {
				dir := filepath.Join(top, span[1])
				if strings.HasSuffix(span[1], ".go") {
					dir = filepath.Dir(dir)
				}
				dirs = append(dirs, dir)
			}
		}
		for _, span := range codeSpan.FindAllStringSubmatch(paragraph, -1) {
			if !file.MatchString(span[1]) {
				continue
			}
			found := slices.ContainsFunc(dirs, func(dir string) bool {
				_, err := os.Stat(filepath.Join(dir, span[1]))
				return err == nil
			})
			if !found {
				t.Errorf("docs/architecture.md names %s, which is in none of the directories of its paragraph", span[1])
			}
		}
	}
}
