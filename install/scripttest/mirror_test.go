package scripttest_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/testkit"
)

// mirror is a local server of releases, with the URL paths of GitHub.
type mirror struct {
	url, dir string
	newest   string
	// breakOff is the path of a file whose download is interrupted.
	breakOff string
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{dir: t.TempDir()}
	files := http.FileServer(http.Dir(m.dir))
	mux := http.NewServeMux()
	mux.HandleFunc("/latest/download/", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[len("/latest/download/"):]
		http.Redirect(w, r, "/download/v"+m.newest+"/"+name, http.StatusFound)
	})
	mux.HandleFunc("/download/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == m.breakOff {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 1000))
			panic(http.ErrAbortHandler)
		}
		files.ServeHTTP(w, r)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	m.url = srv.URL
	return m
}

// release adds a release whose programs print their names and the version.
func (m *mirror) release(t *testing.T, version string, platforms ...string) {
	t.Helper()
	m.newest = version
	var sums bytes.Buffer
	for _, platform := range platforms {
		archive := archiveOf(t, version)
		name := fmt.Sprintf("sx_%s_%s.tar.xz", version, platform)
		m.put(t, version, name, archive)
		_, _ = fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(archive), name)
	}
	m.put(t, version, "checksums.txt", sums.Bytes())
}

func (m *mirror) put(t *testing.T, version, name string, content []byte) {
	t.Helper()
	dir := filepath.Join(m.dir, "download", "v"+version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func archiveOf(t *testing.T, version string) []byte {
	t.Helper()
	testkit.Need(t, "xz")
	dir := t.TempDir()
	files := []string{"LICENSE", "sx", "sxd"}
	for _, name := range files {
		program(t, dir, name, "echo "+name+" "+version)
	}
	archive, err := exec.CommandContext(t.Context(), "tar", append([]string{"-cJf", "-", "-C", dir}, files...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return archive
}
