package mongodb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// building ensures that one test of a process builds the stand-in for all of
// them.
var building sync.Mutex

// standin returns the program, whose databases are full at the given size in
// megabytes; 0 means never.
func standin(ctx context.Context, program string, megabytes int) *process {
	ctx = context.WithoutCancel(ctx) // runs until kill
	p := &process{standin: true, megabytes: megabytes}
	p.command = func(dir string, port int) *exec.Cmd {
		return exec.CommandContext(ctx, program, "-attached", "-data", dir,
			"-port", strconv.Itoa(port), "-megabytes", strconv.Itoa(p.megabytes))
	}
	return p
}

// build returns the path of the program in the cache directory, where it is
// built again whenever its source or the Go version has changed.
func build(ctx context.Context) (program string, err error) {
	building.Lock()
	defer building.Unlock()
	out, err := output(exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}",
		"github.com/soundextract/sx/server/testkit/mongodb"))
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(out), "standin")
	id, err := fingerprint(source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "soundextract")
	program = filepath.Join(dir, "mongo-standin-"+id)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Other processes may be building it too: each writes its own file first.
	unfinished, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	made := filepath.Join(unfinished, "standin")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "ferretdb_no_postgresql", "-ldflags", "-s -w", "-o", made, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
	if _, err := output(cmd); err != nil {
		return "", err
	}
	return program, os.Rename(made, program)
}

// fingerprint returns a digest of everything that the program is built from.
func fingerprint(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*.*"))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, _ = fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintln(h, filepath.Base(name), len(data))
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// output runs the command; its error includes the command's standard error.
func output(cmd *exec.Cmd) (string, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out), nil
}
