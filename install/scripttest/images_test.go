package scripttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/release"
)

// releaser contains the fields of goreleaser.yaml that these tests use.
type releaser struct {
	Builds []struct {
		ID, Main string
		LDFlags  []string
		Goarch   []string
	}
	Images []struct {
		IDs        []string
		Dockerfile string
		Images     []string
		Tags       []string
		Platforms  []string
		Labels     map[string]string
		BuildArgs  map[string]string `json:"build_args"`
	} `json:"dockers_v2"`
}

func readReleaser(t *testing.T) releaser {
	t.Helper()
	raw, err := os.ReadFile("../../goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r releaser
	if err := yaml.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestImages checks that the chart of a release uses the images that the release
// pushes.
func TestImages(t *testing.T) {
	t.Parallel()
	const version = "{{ .Version }}" // goreleaser's template: the tag without its v
	r := readReleaser(t)
	for _, b := range r.Builds {
		if !slices.Contains(b.LDFlags, "-X github.com/soundextract/sx/server/sx.Version="+version) {
			t.Errorf("%s is built without its version: %v", b.ID, b.LDFlags)
		}
	}
	var pushed []string
	for _, image := range r.Images {
		for _, name := range image.Images {
			for _, tag := range image.Tags {
				pushed = append(pushed, name+":"+strings.ReplaceAll(tag, version, "1.2.3"))
			}
		}
		if !slices.Equal(image.Platforms, []string{"linux/amd64", "linux/arm64"}) || len(image.Labels) == 0 {
			t.Errorf("%s is for %v with the labels %v", image.Images, image.Platforms, image.Labels)
		}
	}
	slices.Sort(pushed)

	rendered, err := release.Render("1.2.3", nil, release.RenderOptions{Release: "sx", Namespace: "sx"})
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`ghcr\.io/soundextract/[^\s"@]+`).FindAllString(rendered.All(), -1)
	slices.Sort(asked)
	if asked = slices.Compact(asked); !slices.Equal(asked, pushed) {
		t.Errorf("the chart uses %v, the release pushes %v", asked, pushed)
	}
}

// TestDockerfiles checks that each Dockerfile copies exactly the programs that are
// built for its image.
func TestDockerfiles(t *testing.T) {
	t.Parallel()
	copied := regexp.MustCompile(`\$TARGETPLATFORM/([a-z]+)`)
	for _, image := range readReleaser(t).Images {
		raw, err := os.ReadFile(filepath.Join("../..", image.Dockerfile))
		if err != nil {
			t.Error(err)
			continue
		}
		var programs []string
		for _, m := range copied.FindAllStringSubmatch(string(raw), -1) {
			programs = append(programs, m[1])
		}
		if !slices.Equal(programs, image.IDs) {
			t.Errorf("%s copies %v, but the build provides %v", image.Dockerfile, programs, image.IDs)
		}
	}
}

// TestBaseImages checks that a release builds each image from a base with the digest that
// its workflow resolved, and everything else from the tag in the Dockerfile.
func TestBaseImages(t *testing.T) {
	t.Parallel()
	workflow, err := os.ReadFile("../../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`^\{\{ envOrDefault "(SX_BASE_[A-Z]+)" "(.+)" \}\}$`)
	for _, image := range readReleaser(t).Images {
		raw, err := os.ReadFile(filepath.Join("../..", image.Dockerfile))
		if err != nil {
			t.Error(err)
			continue
		}
		m := pinned.FindStringSubmatch(image.BuildArgs["BASE"])
		if m == nil || image.BuildArgs["VERSION"] != "{{ .Version }}" {
			t.Errorf("%s is built with %v", image.Dockerfile, image.BuildArgs)
			continue
		}
		if !strings.Contains(string(raw), "ARG BASE="+m[2]+"\nFROM $BASE\n") || strings.Count(string(raw), "FROM ") != 1 {
			t.Errorf("%s is not from %s", image.Dockerfile, m[2])
		}
		if resolved := "resolve " + m[1] + " " + m[2] + "\n"; !strings.Contains(string(workflow), resolved) {
			t.Errorf("the release workflow does not %q", resolved)
		}
	}
}

// TestVersionAtTag checks that make build at a tag has the same version as the
// release of that tag.
func TestVersionAtTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makefile, err := filepath.Abs("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		// No variables of a make or git process that runs these tests.
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	version := func() string {
		t.Helper()
		out := run("make", "-n", "-f", makefile, "build")
		found := regexp.MustCompile(`sx\.Version=([^' ]*)'.* \./cmd/sx\n`).FindStringSubmatch(out)
		if found == nil {
			t.Fatal(out)
		}
		return found[1]
	}
	run("git", "init", "-q")
	run("git", "commit", "-q", "--allow-empty", "-m", "first")
	run("git", "tag", "v1.2.3")
	if got := version(); got != "1.2.3" {
		t.Errorf("at tag v1.2.3 the version is %q", got)
	}
	run("git", "commit", "-q", "--allow-empty", "-m", "second")
	if got := version(); !strings.HasPrefix(got, "1.2.3-1-g") {
		t.Errorf("after tag v1.2.3 the version is %q", got)
	}
}
