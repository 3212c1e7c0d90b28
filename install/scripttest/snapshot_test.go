//go:build snapshot

package scripttest_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// These tests install from the directory SX_DIST, which is built by make snapshot or
// make snapshot-test. They remove everything that they install.

// snapshot is the release in that directory.
type snapshot struct {
	dir     string
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

func built(t *testing.T) snapshot {
	t.Helper()
	s := snapshot{dir: os.Getenv("SX_DIST")}
	raw, err := os.ReadFile(filepath.Join(s.dir, "metadata.json"))
	if err != nil {
		t.Fatalf("no release in SX_DIST: %v", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// file returns the path of the release's file for this machine.
func (s snapshot) file(ext string) string {
	return filepath.Join(s.dir, "sx_"+s.Version+"_"+runtime.GOOS+"_"+runtime.GOARCH+ext)
}

// checkVersion runs an installed sx and checks the version that it prints.
func (s snapshot) checkVersion(t *testing.T, program string) {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal([]byte(output(t, program, "version", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"version": s.Version, "commit": s.Commit, "chart": s.Version, "app": s.Version,
		"platform": runtime.GOOS + "/" + runtime.GOARCH,
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if !strings.HasPrefix(got["go"], "go1.") || !regexp.MustCompile(`^20..-..-..T..:..:..Z$`).MatchString(got["date"]) {
		t.Errorf("go is %q, date is %q", got["go"], got["date"])
	}
}

// must runs a program and fails the test if the program fails.
func must(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestArchive(t *testing.T) {
	s := built(t)
	dir := t.TempDir()
	files := unpack(t, s.file(".tar.xz"), dir)
	for _, name := range []string{
		"LICENSE", "README.md", "CHANGELOG.md", "sx", "sxd",
		"completions/sx.bash", "completions/_sx", "completions/sx.fish", "completions/sx.ps1",
		"man/sx.1", "man/sx-convert.1", "man/sx-exit-codes.1",
	} {
		if !slices.Contains(files, name) {
			t.Errorf("%s is missing in %v", name, files)
		}
	}
	sx := filepath.Join(dir, "sx")
	s.checkVersion(t, sx)
	for shell, name := range map[string]string{"bash": "sx.bash", "zsh": "_sx", "fish": "sx.fish", "powershell": "sx.ps1"} {
		want := must(t, sx, "completion", shell)
		if got, err := os.ReadFile(filepath.Join(dir, "completions", name)); err != nil || string(got) != want {
			t.Errorf("completions/%s is not what sx completion %s prints (%v)", name, shell, err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "man", "sx.1"))
	if err != nil || !strings.Contains(string(page), `"sx `+strings.ReplaceAll(s.Version, "-", `\-`)+`"`) {
		t.Errorf("the man page has another version: %.80q, %v", page, err)
	}
	// sxd itself is tested elsewhere; here it only has to start.
	must(t, filepath.Join(dir, "sxd"), "--help")
}

// unpack returns the names of the files in the archive.
func unpack(t *testing.T, archive, dir string) []string {
	t.Helper()
	var names []string
	for tr := tar.NewReader(strings.NewReader(must(t, "xz", "-dc", archive))); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Uname != "root" {
			t.Errorf("%s belongs to %q", h.Name, h.Uname)
		}
	}
	must(t, "tar", "-xJf", archive, "-C", dir)
	return names
}

// TestInstallScript installs the release from a mirror.
func TestInstallScript(t *testing.T) {
	s := built(t)
	m := newMirror(t)
	m.newest = s.Version
	for _, name := range []string{"checksums.txt", filepath.Base(s.file(".tar.xz"))} {
		raw, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m.put(t, s.Version, name, raw)
	}
	dir := filepath.Join(t.TempDir(), "bin")
	said, code := run{shell: "sh", args: []string{"--dir", dir}}.do(t, m)
	if code != 0 {
		t.Fatal(said)
	}
	s.checkVersion(t, filepath.Join(dir, "sx"))
	t.Setenv("SX_RELEASES", m.url)
	wants(t, must(t, filepath.Join(dir, "sx"), "version", "--check"), "this is the newest release")
}

// TestSize checks that the archives stay small enough to download. The packages are
// compressed less well.
func TestSize(t *testing.T) {
	archives, err := filepath.Glob(filepath.Join(built(t).dir, "*.zip"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives for Windows: %v", err)
	}
	for _, file := range append(archives, built(t).file(".tar.xz")) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if limit := int64(25_000_000); info.Size() > limit {
			t.Errorf("%s has %d bytes, more than %d", filepath.Base(file), info.Size(), limit)
		}
	}
}

// TestWindowsManifests checks the manifests of Scoop and winget: the programs, the
// digests of the archives, and ffmpeg.
func TestWindowsManifests(t *testing.T) {
	s := built(t)
	sums, err := os.ReadFile(filepath.Join(s.dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]string{} // of a file
	for line := range strings.Lines(string(sums)) {
		if digest, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			sum[name] = digest
		}
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "scoop", "sx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scoop struct {
		Version      string
		Architecture map[string]struct {
			URL  string
			Bin  []string
			Hash string
		}
		Depends []string
	}
	if err := json.Unmarshal(raw, &scoop); err != nil {
		t.Fatal(err)
	}
	if scoop.Version != s.Version || !slices.Equal(scoop.Depends, []string{"ffmpeg"}) || len(scoop.Architecture) == 0 {
		t.Errorf("Scoop: %s", raw)
	}
	for name, a := range scoop.Architecture {
		if !slices.Equal(a.Bin, []string{"sx.exe", "sxd.exe"}) || a.Hash == "" || a.Hash != sum[a.URL[strings.LastIndex(a.URL, "/")+1:]] {
			t.Errorf("Scoop, %s: %+v", name, a)
		}
	}
	manifests, err := filepath.Glob(filepath.Join(s.dir, "winget", "manifests", "s", "SoundExtract", "sx", "*", "SoundExtract.sx*.yaml"))
	if err != nil || len(manifests) != 3 {
		t.Fatalf("winget: %v, %v", manifests, err)
	}
	var all strings.Builder
	for _, path := range manifests {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	wants(t, all.String(), "PackageIdentifier: SoundExtract.sx", "PackageVersion: "+s.Version, "Gyan.FFmpeg", "sx.exe", "sxd.exe")
	for name, digest := range sum {
		if strings.Contains(name, "_windows_") && strings.HasSuffix(name, ".zip") {
			wants(t, strings.ToLower(all.String()), digest)
		}
	}
}

// TestHomebrew checks the syntax of the cask and its checksums.
func TestHomebrew(t *testing.T) {
	s := built(t)
	cask := filepath.Join(s.dir, "homebrew", "Casks", "sx.rb")
	wants(t, must(t, "ruby", "-c", cask), "Syntax OK")
	raw, err := os.ReadFile(cask)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, string(raw), `version "`+s.Version+`"`, `depends_on formula:`, `"ffmpeg"`, `binary "sx"`, `binary "sxd"`,
		`manpage "man/sx.1"`, `bash_completion "completions/sx.bash"`)
	sums, err := os.ReadFile(filepath.Join(s.dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`sha256 "([0-9a-f]{64})"\s+url "[^"]*/(sx_#\{version\}_[^"]*)"`).FindAllStringSubmatch(string(raw), -1)
	if len(found) == 0 {
		t.Error("no archive in the cask")
	}
	for _, f := range found {
		wants(t, string(sums), f[1]+"  "+strings.ReplaceAll(f[2], "#{version}", s.Version)+"\n")
	}
}
